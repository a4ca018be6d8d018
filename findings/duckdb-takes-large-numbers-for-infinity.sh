#!/usr/bin/env bash
# DuckDB takes a number beyond the range of a double for infinity, in JSON files and in casts of text.
# Guessed: an error, as a cast of 300 to TINYINT is one, or the text as it is.
# Seen: inf, so that 1e400 and 1e500 are equal, and a sum over them is inf.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv env
env/bin/pip install --quiet --disable-pip-version-check duckdb==2.0.1
cat > program.py <<'PROGRAM'
import json
import duckdb
open("big.json", "w").write('{"n":1e400}\n')
cell = lambda sql: str(duckdb.sql(sql).fetchall()[0][0])
print(json.dumps([cell("select n from 'big.json'"), cell("select cast('1e500' as double)")]))
PROGRAM
want='["inf", "inf"]'
seen=$(env/bin/python program.py)
echo "duckdb 2.0.1: $seen"
[ "$seen" = "$want" ] || { echo "it has changed: it was $want"; exit 1; }
