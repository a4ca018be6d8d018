#!/usr/bin/env bash
# Bun's SQLite keeps the last twenty statements of `query`, without a word: who runs twenty-one in turn has none of them.
# Guessed: all that a connection ran stay prepared, as long as it is open.
# Seen: of twenty the first is the same object when it is asked for again, of twenty-one it is made anew.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm init --yes > /dev/null
npm install --silent --no-audit --no-fund bun@1.4.5
cat > program.ts <<'PROGRAM'
import { Database } from "bun:sqlite";
const database = new Database(":memory:");
function isKept(count: number): boolean {
  const first = database.query("select 0");
  for (let n = 1; n < count; n += 1) database.query(`select ${n}`);
  return database.query("select 0") === first;
}
console.log(`of 20: ${isKept(20)}, of 21: ${isKept(21)}`);
PROGRAM
want='of 20: true, of 21: false'
seen=$(node_modules/.bin/bun run program.ts)
echo "bun 1.4.5: $seen"
[ "$seen" = "$want" ] || { echo "it has changed: it was $want"; exit 1; }
