"""Reads tables of a lake with Spark through Iceberg's JDBC catalog on the same SQLite file, and lists orphans.

usage: read_spark.py WAREHOUSE JARS_FOLDER < wanted.jsonl

Each input line is one line of read_pyiceberg.py: which table, snapshot and columns. Each is printed again
with Spark's rows and digest. At the end one line per table {"table", "orphans": [path…]} from a dry run of
remove_orphan_files.
"""

import glob
import json
import sys
from pathlib import Path

from pyspark.sql import SparkSession

import canonical
from read_pyiceberg import digests

CATALOG = "tarn"


def open_session(warehouse, jars):
    path = Path(warehouse).resolve()
    prefix = f"spark.sql.catalog.{CATALOG}"
    return (
        SparkSession.builder.master("local[2]")
        .config("spark.jars", ",".join(glob.glob(f"{jars}/*.jar")))
        .config("spark.driver.memory", "2g")
        .config("spark.driver.host", "127.0.0.1")
        .config("spark.driver.bindAddress", "127.0.0.1")
        .config("spark.driver.maxResultSize", "0")
        .config("spark.sql.extensions", "org.apache.iceberg.spark.extensions.IcebergSparkSessionExtensions")
        .config(prefix, "org.apache.iceberg.spark.SparkCatalog")
        .config(f"{prefix}.type", "jdbc")
        .config(f"{prefix}.uri", f"jdbc:sqlite:{path}/catalog.db?journal_mode=WAL&busy_timeout=30000")
        .config(f"{prefix}.warehouse", f"file://{path}")
        .config(f"{prefix}.jdbc.schema-version", "V1")
        .config(f"{prefix}.cache-enabled", "false")
        .config("spark.sql.session.timeZone", "UTC")
        .config("spark.sql.shuffle.partitions", "2")
        .config("spark.ui.enabled", "false")
        # remove_orphan_files refuses intervals below a day unless this is set.
        .config("spark.testing", "true")
        .getOrCreate()
    )


def quoted(name):
    return ".".join(f"`{part.replace('`', '``')}`" for part in name.split("."))


def read(spark, wanted):
    source = f"{CATALOG}.{quoted(wanted['table'])}"
    if wanted["snapshot"] is None:
        return wanted | {"rows": spark.table(source).count(), "digest": canonical.Digest().hex()}
    names = ", ".join(f"`{c['name'].replace('`', '``')}`" for c in wanted["columns"])
    frame = spark.sql(f"select {names} from {source} version as of {int(wanted['snapshot'])}")
    return wanted | digests(wanted["columns"], frame.toArrow())


def reason(error):
    """The first line that says why: Spark wraps it several times."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    causes = [line for line in lines if line.startswith("Caused by:")]
    return (causes or lines)[-1 if causes else 0]


def orphans(spark, table):
    name = table.replace("'", "''")
    rows = spark.sql(
        f"call {CATALOG}.system.remove_orphan_files(table => '{name}', dry_run => true, "
        "older_than => timestamp '2999-01-01 00:00:00')"
    ).collect()
    return sorted(row[0] for row in rows)


def main(warehouse, jars):
    spark = open_session(warehouse, jars)
    spark.sparkContext.setLogLevel("ERROR")
    wanted = [json.loads(line) for line in sys.stdin if line.strip()]
    for one in wanted:
        try:
            seen = read(spark, one)
        except Exception as error:  # one table must not hide the others; the runner fails on "error"
            seen = dict(one, error=reason(error))
        print(json.dumps(seen), flush=True)
    for table in sorted({one["table"] for one in wanted}):
        try:
            found = {"table": table, "orphans": orphans(spark, table)}
        except Exception as error:
            found = {"table": table, "error": reason(error)}
        print(json.dumps(found), flush=True)
    spark.stop()


if __name__ == "__main__":
    main(*sys.argv[1:])
