#!/usr/bin/env bash
# The ADBC driver of PostgreSQL reads the timestamp infinity as an instant far before Christ.
# Guessed: an error, or the largest instant.
# Seen: the count since 2000 runs over when it becomes one since 1970: infinity lies one microsecond before -infinity,
# and both sort before all other instants.
. "$(dirname "$0")/support/postgres.sh"
python3 -m venv env
env/bin/pip install --quiet --disable-pip-version-check adbc-driver-postgresql==1.13.0 adbc-driver-manager==1.13.0 pyarrow==25.0.1
cat > program.py <<'PROGRAM'
import sys
import adbc_driver_postgresql.dbapi as postgres
with postgres.connect(sys.argv[1]) as connection, connection.cursor() as cursor:
    import pyarrow
    cursor.execute("select 'infinity'::timestamp as late, '-infinity'::timestamp as early")
    row = cursor.fetch_arrow_table()
    print(*(row[name].cast(pyarrow.int64())[0].as_py() for name in ("late", "early")))
PROGRAM
cat > program.mjs <<'PROGRAM'
import { execFileSync } from "node:child_process";
import { withPostgres } from "./postgres.mjs";
await withPostgres((client) => {
  const address = `postgresql://postgres@${client.host}:${client.port}/postgres`;
  return execFileSync("env/bin/python", ["program.py", address], { encoding: "utf8" }).trim();
});
PROGRAM
sees '-9222425352054775809 -9222425352054775808'
