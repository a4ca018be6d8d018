#!/usr/bin/env bash
# Polars reads a number as text where another row of the column holds a text.
# Guessed: an error, as its CSV reader and its lists have it.
# Seen: 1 and "1" are one and the same afterwards; the kind that the file gave is gone.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv env
env/bin/pip install --quiet --disable-pip-version-check polars==2.1.0
cat > program.py <<'PROGRAM'
import io, json
import polars
print(json.dumps(polars.read_ndjson(io.BytesIO(b'{"a":"1"}\n{"a":1}\n{"a":true}\n'))["a"].to_list()))
PROGRAM
want='["1", "1", "true"]'
seen=$(env/bin/python program.py)
echo "polars 2.1.0: $seen"
[ "$seen" = "$want" ] || { echo "it has changed: it was $want"; exit 1; }
