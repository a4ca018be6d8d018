#!/usr/bin/env bash
# The JSON reader of PyArrow turns a column of quoted ISO instants into timestamps, and drops their zone.
# Guessed: strings, since JSON says that they are strings.
# Seen: timestamp[s] without a zone, in UTC; one other text in the column and all are strings.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv env
env/bin/pip install --quiet --disable-pip-version-check pyarrow==26.0.1
cat > program.py <<'PROGRAM'
import io
import pyarrow.json as pj
read = lambda text: pj.read_json(io.BytesIO(text.encode()))["a"]
one = read('{"a":"2020-01-01T02:00:00+02:00"}\n')
two = read('{"a":"2020-01-01T02:00:00+02:00"}\n{"a":"soon"}\n')
print(one.type, one.to_pylist()[0], two.type)
PROGRAM
want='timestamp[s] 2020-01-01 00:00:00 string'
seen=$(env/bin/python program.py)
echo "pyarrow 26.0.1: $seen"
[ "$seen" = "$want" ] || { echo "it has changed: it was $want"; exit 1; }
