#!/usr/bin/env bash
# hash() of DuckDB, a convenient fingerprint of rows, sees no difference between lists that are NULL, empty, or hold only NULL.
# Guessed: different numbers, as for NULL and the empty text; a list and its only element differ as well.
# Seen: one number for NULL, [], [NULL] and [[]]; [7] hashes as 7 does, and [7, 8] as the struct of them.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv env
env/bin/pip install --quiet --disable-pip-version-check duckdb==2.0.1
cat > program.py <<'PROGRAM'
import duckdb
lists = "(values (NULL::int[][]), ([]), ([NULL]), ([[]])) t(x)"
count, rows = duckdb.sql(f"select count(distinct hash(x)), count(*) from {lists}").fetchall()[0]
pairs = "hash([7]) = hash(7), hash([7, 8]) = hash({a: 7, b: 8}), hash('') <> hash(NULL::varchar)"
print(f"{count} of {rows}, {duckdb.sql('select ' + pairs).fetchall()[0]}")
PROGRAM
want='1 of 4, (True, True, True)'
seen=$(env/bin/python program.py)
echo "duckdb 2.0.1: $seen"
[ "$seen" = "$want" ] || { echo "it has changed: it was $want"; exit 1; }
