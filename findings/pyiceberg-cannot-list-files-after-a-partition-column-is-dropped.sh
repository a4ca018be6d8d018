#!/usr/bin/env bash
# The files of an Iceberg table can no longer be listed by PyIceberg once a column that partitioned it long ago is dropped.
# Guessed: the partition field is taken out of the spec, then the column out of the schema, and everything goes on.
# Seen: scans and appends go on; inspect.files() (entries and partitions too) is a ValueError from then on.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv env
env/bin/pip install --quiet --disable-pip-version-check 'pyiceberg[sql-sqlite,pyarrow]==0.12.0'
cat > program.py <<'PROGRAM'
import os
import pyarrow as pa
from pyiceberg.catalog.sql import SqlCatalog
from pyiceberg.transforms import IdentityTransform
here = os.getcwd()
catalog = SqlCatalog("c", uri=f"sqlite:///{here}/catalog.db", warehouse=f"file://{here}/lake")
catalog.create_namespace("shop")
schema = pa.schema([("id", pa.int64()), ("city", pa.string())])
table = catalog.create_table("shop.orders", schema=schema)
with table.update_spec() as spec:
    spec.add_field("city", IdentityTransform(), "city")
table.append(pa.table({"id": [1], "city": ["Bern"]}))
with table.update_spec() as spec:
    spec.remove_field("city")
before = table.inspect.files().num_rows
with table.update_schema() as columns:
    columns.delete_column("city")
try:
    after = table.inspect.files().num_rows
except ValueError as error:
    after = error
print(f"rows: {table.scan().to_arrow().num_rows}, files before: {before}, after: {after}")
PROGRAM
want='rows: 1, files before: 1, after: Could not find field with id: 2'
seen=$(env/bin/python program.py)
echo "pyiceberg 0.12.0: $seen"
[ "$seen" = "$want" ] || { echo "it has changed: it was $want"; exit 1; }
