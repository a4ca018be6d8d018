"""Branches between tarn and PyIceberg: reads one that tarn made, then makes one for tarn.

usage: branches_pyiceberg.py WAREHOUSE read|write|after
"""

import sys
from pathlib import Path

import pyarrow as pa
from pyiceberg.catalog import load_catalog

path = Path(sys.argv[1]).resolve()
catalog = load_catalog(
    "tarn", type="sql", uri=f"sqlite:///{path}/catalog.db", warehouse=f"file://{path}"
)
table = catalog.load_table("gold.prices")


def ids(ref):
    scan = table.scan() if ref is None else table.scan().use_ref(ref)
    return sorted(scan.to_arrow().column("id").to_pylist())


match sys.argv[2]:
    case "read":
        print(ids(None), ids("fix"), sorted(table.metadata.refs))
    case "write":
        rows = pa.table({"id": pa.array([7, 8], pa.int32()), "price": pa.array([1, 2], pa.int32())})
        table.manage_snapshots().create_branch(
            table.current_snapshot().snapshot_id, "theirs"
        ).commit()
        table.append(rows, branch="theirs")
        table.refresh()
        print(ids(None), ids("theirs"))
    case "after":
        print(ids(None), sorted(table.metadata.refs))
