#!/usr/bin/env bash
# The CSV reader of PyArrow reads days and instants in one column as instants at midnight.
# Guessed: text, since the two are written differently and a day is no instant.
# Seen: timestamp[s]; that the file gave only a day is gone.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv env
env/bin/pip install --quiet --disable-pip-version-check pyarrow==26.0.1
cat > program.py <<'PROGRAM'
import io
import pyarrow.csv as csv
column = csv.read_csv(io.BytesIO(b"a\n2020-01-01\n2020-01-01 10:00\n"))["a"]
print(column.type, column.to_pylist()[0])
PROGRAM
want='timestamp[s] 2020-01-01 00:00:00'
seen=$(env/bin/python program.py)
echo "pyarrow 26.0.1: $seen"
[ "$seen" = "$want" ] || { echo "it has changed: it was $want"; exit 1; }
