"""Reads every table of a lake with PyIceberg through its SQLite catalog and prints what it saw as JSON.

usage: read_pyiceberg.py WAREHOUSE [TABLE…]

One line a table and moment: {"table", "uuid", "snapshot", "which", "columns": [{"name", "type"}], "rows",
"digest", "loose"}. Moments are the current snapshot, the oldest one still listed, and one between. A table
without a snapshot has zero rows.
"""

import json
import sys
from pathlib import Path

from pyiceberg.catalog import load_catalog

import canonical

CATALOG = "tarn"
# Bigger tables are read at two moments only.
MIDDLE_ROWS_MAX = 200_000


def open_catalog(warehouse):
    path = Path(warehouse).resolve()
    return load_catalog(
        CATALOG, type="sql", uri=f"sqlite:///{path}/catalog.db", warehouse=f"file://{path}"
    )


def all_tables(catalog):
    return sorted(
        ".".join(name) for space in catalog.list_namespaces() for name in catalog.list_tables(space)
    )


def moments(table):
    """(which, snapshot) pairs, current first, each snapshot once."""
    current = table.current_snapshot()
    if current is None:
        return [("current", None)]
    lineage, snapshot = [], current
    while snapshot is not None:
        lineage.append(snapshot)
        parent = snapshot.parent_snapshot_id
        snapshot = table.snapshot_by_id(parent) if parent is not None else None
    picked = [("current", lineage[0])]
    if len(lineage) > 1:
        picked.append(("oldest", lineage[-1]))
    if len(lineage) > 2 and int(current.summary["total-records"] or 0) <= MIDDLE_ROWS_MAX:
        picked.append(("middle", lineage[len(lineage) // 2]))
    return picked


def columns_at(table, snapshot):
    """Name and type (as JSON) of each column of the schema that the snapshot was written with."""
    schema = table.schema()
    if snapshot is not None and snapshot.schema_id is not None:
        schema = table.schemas()[snapshot.schema_id]
    return json.loads(schema.model_dump_json(by_alias=True))["fields"]


def describe(name, table, which, snapshot):
    columns = [{"name": f["name"], "type": f["type"]} for f in columns_at(table, snapshot)]
    return {
        "table": name,
        "uuid": str(table.metadata.table_uuid),
        "which": which,
        # A string: JSON readers in other languages round 64-bit numbers.
        "snapshot": None if snapshot is None else str(snapshot.snapshot_id),
        "columns": columns,
    }


def digests(columns, arrow):
    """Strict and loose digest of an Arrow table whose columns bear the names of `columns`."""
    strict, loose = canonical.Digest(), canonical.Digest()
    has_loose = any(canonical.has_many(c["type"]) for c in columns)
    for batch in arrow.to_batches(max_chunksize=50_000):
        for digest, is_loose in [(strict, False), (loose, True)][: 2 if has_loose else 1]:
            cells = [
                canonical.arrow_column(c["type"], batch.column(c["name"]), is_loose) for c in columns
            ]
            digest.add_rows(canonical.row_texts(cells))
    return {
        "rows": strict.rows,
        "digest": strict.hex(),
        "loose": loose.hex() if has_loose else strict.hex(),
    }


def main(warehouse, *wanted):
    catalog = open_catalog(warehouse)
    for name in wanted or all_tables(catalog):
        table = catalog.load_table(name)
        for which, snapshot in moments(table):
            seen = describe(name, table, which, snapshot)
            if snapshot is None:
                seen |= {"rows": 0, "digest": canonical.Digest().hex(), "loose": canonical.Digest().hex()}
            else:
                arrow = table.scan(snapshot_id=snapshot.snapshot_id).to_arrow()
                seen |= digests(seen["columns"], arrow)
            print(json.dumps(seen), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
