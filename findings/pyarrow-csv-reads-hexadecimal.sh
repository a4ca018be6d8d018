#!/usr/bin/env bash
# The CSV reader of PyArrow infers whole numbers from hexadecimal texts.
# Guessed: text, as other CSV readers that infer types have it.
# Seen: 0x10 is int64 16; one value without 0x prefix that is no number makes all of them text again.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv env
env/bin/pip install --quiet --disable-pip-version-check pyarrow==26.0.1
cat > program.py <<'PROGRAM'
import io, json
import pyarrow.csv as csv
read = lambda text: csv.read_csv(io.BytesIO(text.encode()))["a"].to_pylist()
print(json.dumps([read("a\n0x10\n7\n"), read("a\n0x10\nff\n")]))
PROGRAM
want='[[16, 7], ["0x10", "ff"]]'
seen=$(env/bin/python program.py)
echo "pyarrow 26.0.1: $seen"
[ "$seen" = "$want" ] || { echo "it has changed: it was $want"; exit 1; }
