#!/usr/bin/env bash
# hyparquet-writer infers INT32 from whole numbers before it has looked at all of them.
# Guessed: INT64 or DOUBLE where one of them needs it.
# Seen: 3,000,000,000 in a column of whole numbers is an error; the same number beside a fraction is a double and fine.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm init -y >npm.log
npm install --silent --no-audit --no-fund hyparquet@1.33.0 hyparquet-writer@0.17.0 >>npm.log
cat > program.mjs <<'PROGRAM'
import { parquetReadObjects } from "hyparquet";
import { parquetWriteBuffer } from "hyparquet-writer";
const round = async (data) => {
  try {
    const file = parquetWriteBuffer({ columnData: [{ name: "n", data }] });
    return (await parquetReadObjects({ file })).map((row) => row.n).join(" ");
  } catch (error) {
    return error.message;
  }
};
console.log(await round([1, 3e9]), "|", await round([1.5, 3e9]));
PROGRAM
want='parquet expected int32 value, got 3000000000 | 1.5 3000000000'
seen=$(node program.mjs)
echo "hyparquet-writer 0.17.0: $seen"
[ "$seen" = "$want" ] || { echo "it has changed: it was $want"; exit 1; }
