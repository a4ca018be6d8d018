#!/usr/bin/env bash
# sqlglot translates isodow of DuckDB into another day of the week for Spark.
# Guessed: 7 for a Sunday, in both.
# Seen: 2; the day of the week is turned the wrong way round, as if Spark counted from Monday, so each day is two too late.
. "$(dirname "$0")/support/sqlglot.sh"
translated "SELECT isodow(DATE '2024-01-07') AS day" \
  "SELECT ((DAYOFWEEK(CAST('2024-01-07' AS DATE)) % 7) + 1) AS day: 7 in DuckDB, 2 in Spark"
