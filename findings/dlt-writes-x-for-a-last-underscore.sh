#!/usr/bin/env bash
# dlt writes the column id_ as idx, which is also the name of a column idx.
# Guessed: id_ or id.
# Seen: an underscore at the end, and signs, become the letter x in the default naming (snake_case); a name without
# letters of ASCII becomes x alone, so two such columns meet in one.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv env
env/bin/pip install --quiet --disable-pip-version-check dlt==1.31.0 
cat > program.py <<'PROGRAM'
from dlt.common.normalizers.naming.snake_case import NamingConvention
naming = NamingConvention()
names = ["id_", "idx", "order_no_", "a+b", "ÅÄÖ"]
print(", ".join(f"{name}: {naming.normalize_identifier(name)}" for name in names))
PROGRAM
want='id_: idx, idx: idx, order_no_: order_nox, a+b: axb, ÅÄÖ: x'
seen=$(env/bin/python program.py)
echo "dlt 1.31.0: $seen"
[ "$seen" = "$want" ] || { echo "it has changed: it was $want"; exit 1; }
