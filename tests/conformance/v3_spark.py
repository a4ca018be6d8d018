"""Changes tables of format v3 of a lake with Spark, and says what it reads of every snapshot.

usage: v3_spark.py WAREHOUSE JARS_FOLDER make|read [TABLE…]

`make` makes silver.by_spark and changes the tables that are named. One line a table and snapshot: {"table",
"snapshot", "found"}: rows, and sums over id, _row_id and _last_updated_sequence_number, as text.
"""

import json
import sys

from read_spark import CATALOG, open_session

OWN = [
    """create table {c}.silver.by_spark (id bigint, v string, g int, at timestamp) using iceberg partitioned by (g)
       tblproperties ('format-version'='3', 'write.delete.mode'='merge-on-read', 'write.update.mode'='merge-on-read',
       'write.merge.mode'='merge-on-read')""",
    """insert into {c}.silver.by_spark select id, concat('v', id), cast(id % 3 as int),
       timestamp_micros(id * 1000001) from range(90000)""",
    "insert into {c}.silver.by_spark select id, 'w', cast(id % 3 as int), null from range(90000, 90500)",
    "delete from {c}.silver.by_spark where id % 10 = 1",
    "delete from {c}.silver.by_spark where id in (0, 65537, 90001)",
    "update {c}.silver.by_spark set v = 'changed' where id % 1000 = 5",
    """merge into {c}.silver.by_spark t using (select id + 89990 as id from range(30)) s on t.id = s.id
       when matched then update set v = 'merged' when not matched then insert (id, v, g) values (s.id, 'new', 1)""",
    "delete from {c}.silver.by_spark where id between 20000 and 30000",
    "alter table {c}.silver.by_spark drop column at",
    "call {c}.system.rewrite_data_files(table => 'silver.by_spark', options => map('rewrite-all', 'true'))",
    "delete from {c}.silver.by_spark where id = 7",
    # Position deletes of v2 beside vectors of v3.
    """create table {c}.silver.upgraded_by_spark (id bigint, v string) using iceberg tblproperties
       ('format-version'='2', 'write.delete.mode'='merge-on-read')""",
    "insert into {c}.silver.upgraded_by_spark select id, 'v' from range(1000)",
    "insert into {c}.silver.upgraded_by_spark select id, 'w' from range(1000, 2000)",
    "delete from {c}.silver.upgraded_by_spark where id % 100 = 3",
    "alter table {c}.silver.upgraded_by_spark set tblproperties ('format-version'='3')",
    "delete from {c}.silver.upgraded_by_spark where id < 10",
]
CHANGES = [
    "delete from {t} where id % 977 = 11",
    "update {t} set v = 'by Spark' where id % 1999 = 12",
]


def found(spark, table, snapshot):
    return str(
        list(
            spark.sql(
                f"""select count(*), sum(id), sum(_row_id), sum(_row_id * (id % 1009)), count(distinct _row_id),
                sum(_last_updated_sequence_number) from {CATALOG}.{table} version as of {snapshot}"""
            ).collect()[0]
        )
    )


def main(warehouse, jars, what, *tables):
    spark = open_session(warehouse, jars)
    spark.sparkContext.setLogLevel("ERROR")
    names = list(tables)
    if what == "make":
        for sql in OWN:
            spark.sql(sql.format(c=CATALOG))
        for table in tables:
            for sql in CHANGES:
                spark.sql(sql.format(t=f"{CATALOG}.{table}"))
        names += ["silver.by_spark", "silver.upgraded_by_spark"]
    for table in names:
        for (snapshot,) in spark.sql(f"select snapshot_id from {CATALOG}.{table}.snapshots").collect():
            line = {"table": table, "snapshot": str(snapshot)}
            try:
                line["found"] = found(spark, table, snapshot)
            except Exception as error:
                line["error"] = str(error).splitlines()[0]
            print(json.dumps(line), flush=True)
    spark.stop()


if __name__ == "__main__":
    main(*sys.argv[1:])
