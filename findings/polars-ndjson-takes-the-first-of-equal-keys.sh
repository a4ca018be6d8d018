#!/usr/bin/env bash
# Polars takes the first of two equal keys of a JSON object; Python and most readers take the last.
# Guessed: the last, as RFC 8259 says that many do.
# Seen: the first, without a warning: the same line means another row to two readers.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv env
env/bin/pip install --quiet --disable-pip-version-check polars==2.1.0
cat > program.py <<'PROGRAM'
import io, json
import polars
line = '{"a":1,"a":2}'
print(json.dumps([polars.read_ndjson(io.BytesIO((line + "\n").encode())).to_dicts(), json.loads(line)]))
PROGRAM
want='[[{"a": 1}], {"a": 2}]'
seen=$(env/bin/python program.py)
echo "polars 2.1.0: $seen"
[ "$seen" = "$want" ] || { echo "it has changed: it was $want"; exit 1; }
