#!/usr/bin/env bash
# max and arg_max of DuckDB ignore NULL, but not when it lies in a row or a list: there it is larger than all values.
# Guessed: arg_max(name, row(day)) picks what arg_max(name, day) picks; a row is how one adds a second key for ties.
# Seen: it picks the row without a day, as max(day) is 5 and max(row(day)) is (NULL).
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv env
env/bin/pip install --quiet --disable-pip-version-check duckdb==2.0.1
cat > program.py <<'PROGRAM'
import duckdb
picks = "max(day), max(row(day)), arg_max(name, day), arg_max(name, row(day))"
print(*duckdb.sql(f"select {picks} from (values ('old', NULL), ('new', 5)) t(name, day)").fetchall()[0])
PROGRAM
want='5 (None,) new old'
seen=$(env/bin/python program.py)
echo "duckdb 2.0.1: $seen"
[ "$seen" = "$want" ] || { echo "it has changed: it was $want"; exit 1; }
