#!/usr/bin/env bash
# With REPLICA IDENTITY FULL an UPDATE of PostgreSQL sends a long value that did not change in the old row, but not in the new one.
# Guessed: FULL is what one sets to get whole rows; both have it, or neither.
# Seen: the new row says "unchanged", and the value lies beside it in the old one: the row after a change must be put together of both.
. "$(dirname "$0")/support/postgres.sh"
cat > program.mjs <<'PROGRAM'
import { changes, inWords, withPostgres } from "./postgres.mjs";
await withPostgres(async (client) => {
  await client.query("create table notes (id int primary key, text text, n int)");
  await client.query("alter table notes alter text set storage external, replica identity full");
  await client.query("insert into notes values (1, repeat('x', 9000), 1)");
  await client.query("create publication p for table notes");
  await client.query("select pg_create_logical_replication_slot('s', 'pgoutput')");
  await client.query("update notes set n = 2");
  return (await changes(client)).map(inWords).join(" | ");
});
PROGRAM
sees 'U O(1, 9000 characters, 1) N(1, unchanged, 2)'
