#!/usr/bin/env bash
# mysql2 reads the DATE 2024-02-00 as the last of January, and 0000-00-00 as a day of 1899 or as none.
# Guessed: an invalid date, or the text, for both.
# Seen: 2024-01-31 from query and execute; 0000-00-00 is 1899-11-30 from query and an invalid date from execute.
port=$((20000 + $$ % 20000))
FLAGS="--port=$port --bind-address=127.0.0.1"
. "$(dirname "$0")/support/mariadb.sh"
npm init -y >npm.log
npm install --silent --no-audit --no-fund mysql2@3.24.6 >>npm.log
ask -u root -e "create user reader@127.0.0.1 identified by 'secret'; grant all on *.* to reader@127.0.0.1; set sql_mode = '';
  create database d; use d; create table t (id int primary key, x date);
  insert into t values (1, '2024-02-00'), (2, '0000-00-00')"
cat > program.cjs <<'PROGRAM'
const mysql = require("mysql2/promise");
const day = ({ x }) => (Number.isNaN(x.getTime()) ? "invalid" : x.toISOString().slice(0, 10));
(async () => {
  const server = { host: "127.0.0.1", port: Number(process.argv[2]), user: "reader", password: "secret", database: "d" };
  const client = await mysql.createConnection({ ...server, timezone: "Z" });
  const seen = [];
  for (const ask of ["query", "execute"]) {
    const [rows] = await client[ask]("select x from t order by id");
    seen.push(`${ask}: ${rows.map(day).join(" ")}`);
  }
  await client.end();
  console.log(seen.join(", "));
})();
PROGRAM
compare "$(node program.cjs "$port")" "query: 2024-01-31 1899-11-30, execute: 2024-01-31 invalid"
