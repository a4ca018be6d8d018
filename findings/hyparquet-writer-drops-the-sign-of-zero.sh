#!/usr/bin/env bash
# hyparquet-writer writes -0 among whole numbers as 0.
# Guessed: a double, so that the value is read back as it was.
# Seen: -0 counts as a whole number, the column is INT32, and the sign is gone.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm init -y >npm.log
npm install --silent --no-audit --no-fund hyparquet@1.33.0 hyparquet-writer@0.17.0 >>npm.log
cat > program.mjs <<'PROGRAM'
import { parquetReadObjects } from "hyparquet";
import { parquetWriteBuffer } from "hyparquet-writer";
const file = parquetWriteBuffer({ columnData: [{ name: "n", data: [-0, 1] }] });
const [row] = await parquetReadObjects({ file });
console.log(Object.is(row.n, -0) ? "-0" : "0");
PROGRAM
want='0'
seen=$(node program.mjs)
echo "hyparquet-writer 0.17.0: $seen"
[ "$seen" = "$want" ] || { echo "it has changed: it was $want"; exit 1; }
