#!/usr/bin/env bash
# SQLite without statistics reads by an index that has one column equal and a range, though another has both columns equal
# and finds a single row: two equal columns are thought to leave nine rows, one and a range fewer.
# Guessed: an index whose columns are all given is taken before one of which half is a range.
# Seen: 20,000 rows of one source are looked through; after ANALYZE, or with + before the ranged column, one is.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm init --yes > /dev/null
npm install --silent --no-audit --no-fund sql.js@1.13.0
cat > program.cjs <<'PROGRAM'
require("sql.js")().then((sql) => {
  const db = new sql.Database();
  db.run(`create table files (source text, name text, sum text);
    create index by_name on files (source, name);
    create index by_sum on files (source, sum);
    with recursive n(i) as (select 1 union all select i + 1 from n where i < 20000)
      insert into files select 'orders', printf('%05d', i), printf('%x', i) from n`);
  const indexOf = (name) => {
    const query = `explain query plan select name from files
      where source = 'orders' and sum = '4e20' and ${name} between '00000' and '99999'`;
    return /by_\w+/.exec(db.exec(query)[0].values[0][3])[0];
  };
  const [version] = db.exec("select sqlite_version()")[0].values[0];
  const before = `${indexOf("name")}, with +: ${indexOf("+name")}`;
  db.run("analyze");
  console.log(`${version}: ${before}, with statistics: ${indexOf("name")}`);
});
PROGRAM
want='by_name, with +: by_sum, with statistics: by_sum'
seen=$(node program.cjs)
echo "sql.js 1.13.0, SQLite $seen"
[ "${seen#*: }" = "$want" ] || { echo "it has changed: it was $want"; exit 1; }
