"""Opens every metadata.json below a folder as PyIceberg's StaticTable: the quickest probe of strictness.

usage: read_static.py WAREHOUSE

Prints {"files": n, "files_planned": n, "errors": [{"file", "error"}…]}. Snapshots of a file that retention has already
unlinked are not planned; the newest metadata of each table is planned in full.
"""

import json
import sys
from pathlib import Path

from pyiceberg.table import StaticTable


def main(warehouse):
    files = sorted(Path(warehouse).resolve().rglob("*.metadata.json"))
    newest = {}
    errors, planned = [], 0
    for file in files:
        try:
            table = StaticTable.from_metadata(file.as_uri())
            assert table.metadata.location, "no location"
            assert table.schema().fields, "no columns"
            known = newest.get(table.metadata.table_uuid)
            if known is None or known.metadata.last_updated_ms <= table.metadata.last_updated_ms:
                newest[table.metadata.table_uuid] = table
        except Exception as error:  # collected: the runner prints all of them
            errors.append({"file": str(file), "error": str(error).splitlines()[0]})
    for table in newest.values():
        for snapshot in table.snapshots():
            try:
                planned += len(list(table.scan(snapshot_id=snapshot.snapshot_id).plan_files()))
            except Exception as error:
                errors.append({"file": table.metadata_location, "error": str(error).splitlines()[0]})
    print(json.dumps({"files": len(files), "files_planned": planned, "errors": errors}))


if __name__ == "__main__":
    main(*sys.argv[1:])
