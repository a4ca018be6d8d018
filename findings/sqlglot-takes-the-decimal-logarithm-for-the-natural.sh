#!/usr/bin/env bash
# sqlglot translates log(100) of DuckDB, which is 2, into LOG(100) of Spark, which is 4.6.
# Guessed: LOG10, for it knows of other dialects which of the two logarithms they mean.
# Seen: the same call; log of DuckDB is the decimal logarithm, as in PostgreSQL, that of Spark the natural one.
. "$(dirname "$0")/support/sqlglot.sh"
translated "SELECT round(log(100), 1) AS x" "SELECT ROUND(LOG(100), 1) AS x: 2.0 in DuckDB, 4.6 in Spark"
