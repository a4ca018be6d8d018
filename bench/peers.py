"""Other products loading the same file, each in a process of its own.

usage: peers.py ducklake|chdb|pyiceberg ndjson|csv|parquet FILE OUTPUT_FOLDER

Prints the rows and the sum of ids that it then reads back.
"""

import glob
import os
import sys

# chDB writes no decimals into Iceberg, so its amounts are doubles.
COLUMNS = {
    "id": "Int64",
    "ts": "DateTime64(6)",
    "user_id": "Int64",
    "kind": "String",
    "amount": "Float64",
    "url": "String",
    "country": "String",
    "session": "String",
}


def ducklake(kind, path, output):
    import duckdb
    import duckdb_extension_ducklake as package

    (extension,) = glob.glob(
        f"{os.path.dirname(package.__file__)}/**/*.duckdb_extension", recursive=True
    )
    db = duckdb.connect(config={"allow_unsigned_extensions": "true"})
    db.execute(f"load '{extension}'")
    db.execute(f"attach 'ducklake:{output}/lake.ducklake' as lake (data_path '{output}/data/')")
    reader = {"ndjson": "read_json", "csv": "read_csv", "parquet": "read_parquet"}[kind]
    db.execute(f"create table lake.events as select * from {reader}('{path}')")
    return db.execute("select count(*), sum(id) from lake.events").fetchone()


def chdb(kind, path, output):
    from chdb.session import Session

    session = Session()
    form = {"ndjson": "JSONEachRow", "csv": "CSVWithNames", "parquet": "Parquet"}[kind]
    columns = ", ".join(f"{name} {kind}" for name, kind in COLUMNS.items())
    session.query("set allow_experimental_insert_into_iceberg = 1")
    session.query("set date_time_input_format = 'best_effort'")
    session.query(f"create table events ({columns}) engine = IcebergLocal('{output}/events/')")
    session.query(f"insert into events select * from file('{path}', '{form}')")
    rows, total = session.query("select count(), sum(id) from events", "TSV").bytes().split()
    return int(rows), int(total)


def pyiceberg(kind, path, output):
    import pyarrow.compute as compute
    import pyarrow.csv as csv
    import pyarrow.json as json
    import pyarrow.parquet as parquet
    from pyiceberg.catalog import load_catalog

    catalog = load_catalog(
        "peer", type="sql", uri=f"sqlite:///{output}/catalog.db", warehouse=f"file://{output}"
    )
    catalog.create_namespace("bronze")
    read = {"ndjson": json.read_json, "csv": csv.read_csv, "parquet": parquet.read_table}[kind]
    rows = read(path)
    for index, field in enumerate(rows.schema):
        # Iceberg v2 has microseconds at most.
        if str(field.type) in ("timestamp[ns]", "timestamp[s]"):
            rows = rows.set_column(index, field.name, rows.column(index).cast("timestamp[us]"))
    table = catalog.create_table("bronze.events", schema=rows.schema)
    table.append(rows)
    ids = table.scan(selected_fields=("id",)).to_arrow().column("id")
    return len(ids), compute.sum(ids).as_py()


def main(peer, kind, path, output):
    os.makedirs(output, exist_ok=True)
    load = {"ducklake": ducklake, "chdb": chdb, "pyiceberg": pyiceberg}[peer]
    print(*load(kind, path, output))


if __name__ == "__main__":
    main(*sys.argv[1:])
