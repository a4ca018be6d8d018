#!/usr/bin/env bash
# The ADBC driver of PostgreSQL reads the money $12.34 as the number 1234.
# Guessed: a text or a decimal, as for numeric, which it gives as text.
# Seen: an int64 of the smallest unit; that it is cents depends on lc_monetary of the server, which a reader of the table
# does not see.
. "$(dirname "$0")/support/postgres.sh"
python3 -m venv env
env/bin/pip install --quiet --disable-pip-version-check adbc-driver-postgresql==1.13.0 adbc-driver-manager==1.13.0 pyarrow==25.0.1
cat > program.py <<'PROGRAM'
import sys
import adbc_driver_postgresql.dbapi as postgres
with postgres.connect(sys.argv[1]) as connection, connection.cursor() as cursor:
    cursor.execute("select '12.34'::money as x")
    table = cursor.fetch_arrow_table()
    print(table.schema.field("x").type, table["x"][0].as_py())
PROGRAM
cat > program.mjs <<'PROGRAM'
import { execFileSync } from "node:child_process";
import { withPostgres } from "./postgres.mjs";
await withPostgres((client) => {
  const address = `postgresql://postgres@${client.host}:${client.port}/postgres`;
  return execFileSync("env/bin/python", ["program.py", address], { encoding: "utf8" }).trim();
});
PROGRAM
sees 'int64 1234'
