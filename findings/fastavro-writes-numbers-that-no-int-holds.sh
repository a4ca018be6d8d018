#!/usr/bin/env bash
# fastavro writes whole numbers beyond 32 bits into a field of type int.
# Guessed: an error, as for a decimal that is too precise.
# Seen: they are written and read back by fastavro itself; readers that hold an int in 32 bits cannot read the file as the specification means it.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv env
env/bin/pip install --quiet --disable-pip-version-check fastavro==1.13.1
cat > program.py <<'PROGRAM'
import io
import fastavro
schema = {"type": "record", "name": "row", "fields": [{"name": "n", "type": "int"}]}
file = io.BytesIO()
fastavro.writer(file, schema, [{"n": 2**40}])
file.seek(0)
print(list(fastavro.reader(file))[0]["n"])
PROGRAM
want='1099511627776'
seen=$(env/bin/python program.py)
echo "fastavro 1.13.1: $seen"
[ "$seen" = "$want" ] || { echo "it has changed: it was $want"; exit 1; }
