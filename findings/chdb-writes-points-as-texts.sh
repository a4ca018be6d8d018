#!/usr/bin/env bash
# chdb (ClickHouse) writes a Point to Parquet as well-known binary in a column that says it is text.
# Guessed: a list or a struct of two doubles, or GeoParquet with a column of bytes.
# Seen: GeoParquet, but the column is annotated String, so that pyarrow fails on the bytes, and its crs is a word where the format
# wants an object, so that DuckDB does not read the file at all. chdb itself does.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv env
env/bin/pip install --quiet --disable-pip-version-check chdb==4.4.0 duckdb==2.0.1 pyarrow==26.0.1
cat > program.py <<'PROGRAM'
import chdb
import duckdb
import pyarrow.parquet as pq
chdb.query("select (1.0, 2.0)::Point p into outfile 'points.parquet' format Parquet")
table = pq.read_table("points.parquet")
try:
    text = table.to_pylist()
except UnicodeDecodeError:
    text = "not UTF-8"
try:
    points = duckdb.sql("from 'points.parquet'").fetchall()
except duckdb.Error as error:
    points = str(error).replace("'", "")
print(table.schema.field("p").type, text, "|", points)
PROGRAM
want='string not UTF-8 | Invalid Input Error: Geoparquet column p has invalid CRS'
seen=$(env/bin/python program.py)
echo "chdb 4.4.0, duckdb 2.0.1, pyarrow 26.0.1: $seen"
[ "$seen" = "$want" ] || { echo "it has changed: it was $want"; exit 1; }
