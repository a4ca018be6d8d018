#!/usr/bin/env bash
# hash() of DuckDB gives wide decimals that are 0.00 and -0.01 the same number: a sum of money that falls by a cent looks unchanged.
# Guessed: two numbers, as the same two values have as DECIMAL(18,2) or as BIGINT.
# Seen: both are 0 as DECIMAL(38,2), which every sum() of decimals is, and as HUGEINT; so is any value of two equal 64-bit halves.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv env
env/bin/pip install --quiet --disable-pip-version-check duckdb==2.0.1
cat > program.py <<'PROGRAM'
import duckdb
def hashes(type):
    return duckdb.sql(f"select count(distinct hash(x)) from (values (0::{type}), ((-0.01)::{type})) t(x)").fetchall()[0][0]
wide, narrow = hashes("decimal(38,2)"), hashes("decimal(18,2)")
whole = duckdb.sql("select hash(0::hugeint) = hash((-1)::hugeint), hash(0::bigint) = hash((-1)::bigint)").fetchall()[0]
print(f"{wide} of 2 wide, {narrow} of 2 narrow, {whole}")
PROGRAM
want='1 of 2 wide, 2 of 2 narrow, (True, False)'
seen=$(env/bin/python program.py)
echo "duckdb $(env/bin/python -c 'import duckdb; print(duckdb.__version__)'): $seen"
[ "$seen" = "$want" ] || { echo "it has changed: it was $want"; exit 1; }
