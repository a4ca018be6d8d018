#!/usr/bin/env bash
# The JSON reader of PyArrow reads whole numbers beyond 64 bits, and those of 64 bits without a sign, as doubles.
# Guessed: an error, or uint64.
# Seen: 9223372036854775809 is read as 9223372036854775808 without a word, and with it every other number of the column.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv env
env/bin/pip install --quiet --disable-pip-version-check pyarrow==26.0.1
cat > program.py <<'PROGRAM'
import io
import pyarrow.json as pj
column = pj.read_json(io.BytesIO(b'{"a":9007199254740993}\n{"a":9223372036854775809}\n'))["a"]
print(column.type, [int(value) for value in column.to_pylist()])
PROGRAM
want='double [9007199254740992, 9223372036854775808]'
seen=$(env/bin/python program.py)
echo "pyarrow 26.0.1: $seen"
[ "$seen" = "$want" ] || { echo "it has changed: it was $want"; exit 1; }
