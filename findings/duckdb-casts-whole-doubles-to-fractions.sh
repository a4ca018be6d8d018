#!/usr/bin/env bash
# DuckDB casts the DOUBLE 2 to a DECIMAL of many places that is not 2.
# Guessed: the digits of the double itself (2, which it holds exactly; 1.100000000000000088817841970…), or the shortest ones (1.1).
# Seen: neither. The value is multiplied by a power of ten as a double, and what that rounds away comes out as digits.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv env
env/bin/pip install --quiet --disable-pip-version-check duckdb==2.0.1
cat > program.py <<'PROGRAM'
import duckdb
casts = ["2::double::decimal(38,25)", "2::double::decimal(38,23)", "1.1::double::decimal(38,25)"]
print(*duckdb.sql("select " + ", ".join(casts)).fetchall()[0])
PROGRAM
want='2.0000000000000001811939328 1.99999999999999983222784 1.1000000000000002499805184'
seen=$(env/bin/python program.py)
echo "duckdb 2.0.1: $seen"
[ "$seen" = "$want" ] || { echo "it has changed: it was $want"; exit 1; }
