"""Tables of a catalog of PyIceberg's own, for tarn to register, and files for it to take over.

usage: foreign_pyiceberg.py FOLDER make        makes them, prints rows and sums of every snapshot
       foreign_pyiceberg.py WAREHOUSE TABLE    the same of a table of a lake
"""

import sys
from datetime import date
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from pyiceberg.catalog import load_catalog
from pyiceberg.partitioning import PartitionField, PartitionSpec
from pyiceberg.schema import Schema
from pyiceberg.transforms import BucketTransform, IdentityTransform
from pyiceberg.types import (
    DateType,
    DecimalType,
    ListType,
    LongType,
    NestedField,
    StringType,
    StructType,
)


def told(table):
    for snapshot in table.metadata.snapshots:
        rows = table.scan(snapshot_id=snapshot.snapshot_id).to_arrow()
        total = sum(rows.column("id").to_pylist())
        names = sorted(str(place["city"]) for place in rows.column("place").to_pylist() if place)
        print(table.name()[-1][:1], rows.num_rows, total, len("".join(names)))


def rows(start, end):
    ids = list(range(start, end))
    return pa.table(
        {
            "id": pa.array(ids, pa.int64()),
            "day": pa.array([date(2026, 1, 1 + i % 3) for i in ids], pa.date32()),
            "price": pa.array([i for i in ids], pa.decimal128(9, 2)),
            "place": pa.array(
                [{"city": f"c{i}"} if i % 4 else None for i in ids],
                pa.struct([("city", pa.string())]),
            ),
            "tags": pa.array([["a", str(i)] for i in ids], pa.list_(pa.string())),
        }
    )


def make(folder):
    catalog = load_catalog(
        "other", type="sql", uri=f"sqlite:///{folder}/other.db", warehouse=f"file://{folder}/other"
    )
    catalog.create_namespace("ns")
    schema = Schema(
        NestedField(1, "id", LongType()),
        NestedField(2, "day", DateType()),
        NestedField(3, "price", DecimalType(9, 2)),
        NestedField(4, "place", StructType(NestedField(5, "city", StringType()))),
        NestedField(6, "tags", ListType(7, StringType(), False)),
    )
    spec = PartitionSpec(
        PartitionField(2, 1000, IdentityTransform(), "day"),
        PartitionField(1, 1001, BucketTransform(4), "id_bucket"),
    )
    for version in (1, 2):
        table = catalog.create_table(
            f"ns.v{version}",
            schema,
            partition_spec=spec,
            properties={"format-version": str(version)},
        )
        table.append(rows(0, 100))
        table.append(rows(100, 130))
        table.delete("id < 10")
        with table.update_schema() as update:
            update.add_column("note", StringType())
            update.rename_column("price", "amount")
        told(table)
        print("at", table.location().removeprefix("file://"))
    pq.write_table(rows(500, 520), f"{folder}/loose.parquet")


if sys.argv[2] == "make":
    make(Path(sys.argv[1]).resolve())
else:
    path = Path(sys.argv[1]).resolve()
    catalog = load_catalog(
        "tarn", type="sql", uri=f"sqlite:///{path}/catalog.db", warehouse=f"file://{path}"
    )
    told(catalog.load_table(sys.argv[2]))
