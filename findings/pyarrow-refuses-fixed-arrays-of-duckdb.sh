#!/usr/bin/env bash
# pyarrow does not read a Parquet file that DuckDB wrote from a column INT[2] with a NULL in it.
# Guessed: it does: to Parquet both INT[2] and INT[] are an ordinary list, and DuckDB reads its own file.
# Seen: an error about offsets. Without the NULL, or cast to INT[] first, it reads the same rows.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv env
env/bin/pip install --quiet --disable-pip-version-check duckdb==2.0.1 pyarrow==26.0.1
cat > program.py <<'PROGRAM'
import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
def read(file, rows, kind):
    duckdb.sql(f"copy (select x::{kind} x from (values {rows}) t(x)) to '{file}'")
    try:
        pq.read_table(file).validate(full=True)
        return "ok"
    except pa.ArrowInvalid as error:
        return str(error)
assert read("whole.parquet", "([1, 2]), ([3, 4])", "int[2]") == "ok"
fixed = read("fixed.parquet", "([1, 2]), (NULL), ([3, 4])", "int[2]")
lists = read("lists.parquet", "([1, 2]), (NULL), ([3, 4])", "int[]")
own = "from 'fixed.parquet'"
print(f"duckdb: {duckdb.sql(own).fetchall()} pyarrow: {fixed}, as INT[]: {lists}")
PROGRAM
want='duckdb: [([1, 2],), (None,), ([3, 4],)] pyarrow: Length spanned by list offsets (5) larger than values array (length 4), as INT[]: ok'
seen=$(env/bin/python program.py)
echo "duckdb 2.0.1, pyarrow 26.0.1: $seen"
[ "$seen" = "$want" ] || { echo "it has changed: it was $want"; exit 1; }
