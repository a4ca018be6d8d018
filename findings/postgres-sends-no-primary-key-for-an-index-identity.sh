#!/usr/bin/env bash
# With REPLICA IDENTITY USING INDEX the old row of a change of PostgreSQL has no primary key.
# Guessed: the columns of that index in addition to the primary key.
# Seen: in their place. A DELETE names the row by the index only, with NULL in the NOT NULL key; an UPDATE of the primary key
# alone has no old row at all, so that who keys by it cannot know which row became 2.
. "$(dirname "$0")/support/postgres.sh"
cat > program.mjs <<'PROGRAM'
import { changes, inWords, withPostgres } from "./postgres.mjs";
await withPostgres(async (client) => {
  await client.query("create table orders (id int primary key, code text not null, n int)");
  await client.query("create unique index codes on orders (code)");
  await client.query("alter table orders replica identity using index codes");
  await client.query("insert into orders values (1, 'x', 1)");
  await client.query("create publication p for table orders");
  await client.query("select pg_create_logical_replication_slot('s', 'pgoutput')");
  await client.query("update orders set id = 2");
  await client.query("update orders set code = 'y'");
  await client.query("delete from orders");
  return (await changes(client)).map(inWords).join(" | ");
});
PROGRAM
sees 'U N(2, x, 1) | U K(null, x, null) N(2, y, 1) | D K(null, y, null)'
