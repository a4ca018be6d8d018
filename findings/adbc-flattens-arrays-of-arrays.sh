#!/usr/bin/env bash
# The ADBC driver of PostgreSQL reads {{1,2},{3,4}} as [1, 2, 3, 4].
# Guessed: a list of lists, or an error, since a type int[] does not tell how many dimensions a value has.
# Seen: one flat list without a word; where one row ended and the next began is lost.
. "$(dirname "$0")/support/postgres.sh"
python3 -m venv env
env/bin/pip install --quiet --disable-pip-version-check adbc-driver-postgresql==1.13.0 adbc-driver-manager==1.13.0 pyarrow==25.0.1
cat > program.py <<'PROGRAM'
import sys
import adbc_driver_postgresql.dbapi as postgres
with postgres.connect(sys.argv[1]) as connection, connection.cursor() as cursor:
    cursor.execute("select '{{1,2},{3,4}}'::int[] as x")
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
sees 'list<item: int32> [1, 2, 3, 4]'
