#!/usr/bin/env bash
# PyIceberg cuts the location file:///…/a#b at the #, and writes each file of the table to the same place.
# Guessed: a folder a#b, since locations are not decoded (a space or %23 stays as it is), or an error when the table is made.
# Seen: the table is made; metadata, manifests and rows all are written to one file named a, and the first append fails on reading it.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv env
env/bin/pip install --quiet --disable-pip-version-check 'pyiceberg[sql-sqlite,pyarrow]==0.12.0'
cat > program.py <<'PROGRAM'
import json
import os
import pyarrow as pa
from pyiceberg.catalog.sql import SqlCatalog
here = os.getcwd()
schema = pa.schema([("id", pa.int64())])
def write(lake, name):
    catalog = SqlCatalog(lake, uri=f"sqlite:///{here}/{lake}.db", warehouse=f"file://{here}/{lake}")
    catalog.create_namespace("shop")
    table = catalog.create_table("shop.orders", schema=schema, location=f"file://{here}/{lake}/{name}")
    try:
        table.append(pa.table({"id": [1]}))
        return "ok"
    except Exception as error:
        return type(error).__name__
cut = write("lake", "a#b")
assert write("other", "a%23b") == "ok"
print(f"append: {cut}, lake: {json.dumps(os.listdir('lake'))}; %23: {json.dumps(os.listdir('other'))}")
PROGRAM
want='append: UnicodeDecodeError, lake: ["a"]; %23: ["a%23b"]'
seen=$(env/bin/python program.py)
echo "pyiceberg 0.12.0: $seen"
[ "$seen" = "$want" ] || { echo "it has changed: it was $want"; exit 1; }
