# Sourced by findings about sqlglot: `translated`, which asks DuckDB a query, and Spark what sqlglot makes of it. Needs Java 17.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv env
env/bin/pip install --quiet --disable-pip-version-check sqlglot==30.30.0 duckdb==1.5.4 pyspark==4.0.1
cat > program.py <<'PROGRAM'
import sys
import duckdb
import sqlglot
from pyspark.sql import SparkSession
(query,) = sys.argv[1:]
(text,) = sqlglot.transpile(query, read="duckdb", write="spark")
spark = SparkSession.builder.master("local[1]").config("spark.ui.enabled", "false").getOrCreate()
spark.sparkContext.setLogLevel("OFF")
print(f"{text}: {duckdb.sql(query).fetchone()[0]} in DuckDB, {spark.sql(text).first()[0]} in Spark")
PROGRAM

# translated QUERY WANTED: what both answered; fails where that is something else.
translated() {
  local seen
  seen=$(env/bin/python program.py "$1" 2>errors.log) || { cat errors.log; exit 1; }
  echo "sqlglot 30.30.0: $seen"
  [ "$seen" = "$2" ] || { echo "it has changed: it was $2"; exit 1; }
}
