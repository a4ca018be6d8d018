#!/usr/bin/env bash
# DuckDB reads a DECIMAL of more than 38 digits from Parquet as DOUBLE, and says nothing.
# Guessed: an error, as a cast to DECIMAL(39, 2) is one, or an exact text.
# Seen: doubles. Two amounts that differ in their last digit are equal; with a precision of 38 the same file is exact.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv env
env/bin/pip install --quiet --disable-pip-version-check duckdb==2.0.1 pyarrow==26.0.1
cat > program.py <<'PROGRAM'
from decimal import Decimal
import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
amounts = [Decimal("12345678901234567890.01"), Decimal("12345678901234567890.02")]
pq.write_table(pa.table({"n": pa.array(amounts, pa.decimal256(39, 2))}), "wide.parquet")
pq.write_table(pa.table({"n": pa.array(amounts, pa.decimal128(38, 2))}), "narrow.parquet")
cell = lambda sql: str(duckdb.sql(sql).fetchall()[0][0])
kind = lambda file: cell(f"select typeof(n) from '{file}' limit 1")
same = cell("select min(n) = max(n) from 'wide.parquet'")
assert cell("select min(n) = max(n) from 'narrow.parquet'") == "False"
print(f"[{kind('wide.parquet')}, {same}], {kind('narrow.parquet')}")
PROGRAM
want='[DOUBLE, True], DECIMAL(38,2)'
seen=$(env/bin/python program.py)
echo "duckdb 2.0.1, pyarrow 26.0.1: $seen"
[ "$seen" = "$want" ] || { echo "it has changed: it was $want"; exit 1; }
