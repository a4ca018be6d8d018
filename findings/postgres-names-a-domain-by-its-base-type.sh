#!/usr/bin/env bash
# The Type message of pgoutput for a domain carries the id of the domain, but the name of the type that it is over.
# Guessed: schema and name as of what the id stands for, as for an enum.
# Seen: "numeric" in the schema "" (which means pg_catalog) under the id of public.price. Its precision is nowhere in the stream.
. "$(dirname "$0")/support/postgres.sh"
cat > program.mjs <<'PROGRAM'
import { changes, withPostgres } from "./postgres.mjs";
await withPostgres(async (client) => {
  await client.query("create domain price as numeric(12, 2)");
  await client.query("create type size as enum ('small', 'large')");
  await client.query("create table goods (id int primary key, price price, size size)");
  await client.query("create publication p for table goods");
  await client.query("select pg_create_logical_replication_slot('s', 'pgoutput')");
  await client.query("insert into goods values (1, 1.5, 'small')");
  const { rows } = await client.query("select 'price'::regtype::oid::int as id");
  const types = (await changes(client)).filter((change) => change[0] === 0x59);
  const [domain, size] = types.map((type) => ({
    id: type.readUInt32BE(1),
    names: type.toString("utf8", 5).split("\0").map((name) => JSON.stringify(name)),
  }));
  const own = domain.id === rows[0].id;
  const [schema, name] = domain.names;
  return `oid of the domain: ${own}, schema: ${schema}, name: ${name}; enum: ${size.names[0]}, ${size.names[1]}`;
});
PROGRAM
sees 'oid of the domain: true, schema: "", name: "numeric"; enum: "public", "size"'
