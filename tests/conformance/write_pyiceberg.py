"""Writes to a lake as another engine would: appends to a table of ours and makes a table of its own.

usage: write_pyiceberg.py WAREHOUSE TABLE ROWS

Copies the first ROWS rows of TABLE onto its end, and creates `foreign_ns.notes` with two snapshots. Prints
{"appended", "total", "snapshot", "notes"}.
"""

import json
import sys

import pyarrow as pa

from read_pyiceberg import open_catalog

NOTES = "foreign_ns.notes"


def main(warehouse, name, count):
    catalog = open_catalog(warehouse)
    table = catalog.load_table(name)
    before = table.scan().to_arrow()
    some = before.slice(0, int(count))
    table.append(some)
    catalog.create_namespace_if_not_exists("foreign_ns")
    rows = pa.table({"id": pa.array([1, 2], pa.int64()), "note": pa.array(["a", None], pa.string())})
    notes = catalog.create_table(NOTES, schema=rows.schema)
    notes.append(rows)
    notes.append(rows)
    print(
        json.dumps(
            {
                "appended": some.num_rows,
                "total": before.num_rows + some.num_rows,
                "snapshot": str(table.current_snapshot().snapshot_id),
                "notes": notes.scan().to_arrow().num_rows,
            }
        )
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
