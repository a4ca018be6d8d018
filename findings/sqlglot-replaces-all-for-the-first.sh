#!/usr/bin/env bash
# sqlglot translates regexp_replace of DuckDB, which replaces the first match, into that of Spark, which replaces all.
# Guessed: a pattern that stops at the first match, or a warning.
# Seen: the same call, and another text as the answer. DuckDB replaces all with the option 'g' alone.
. "$(dirname "$0")/support/sqlglot.sh"
translated "SELECT regexp_replace('a-b-c', '-', '+') AS x" \
  "SELECT REGEXP_REPLACE('a-b-c', '-', '+') AS x: a+b-c in DuckDB, a+b+c in Spark"
