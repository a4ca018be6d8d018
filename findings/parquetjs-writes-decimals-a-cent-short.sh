#!/usr/bin/env bash
# @dsnp/parquetjs writes 0.29 as 0.28 into a column of type DECIMAL(4, 2).
# Guessed: 0.29, since 0.29 * 100 is 28.999999999999996 and has to be rounded.
# Seen: it is cut off: 0.29 is 0.28 and 4.35 is 4.34 for every reader (hyparquet here, pyarrow too).
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm init -y >npm.log
npm install --silent --no-audit --no-fund @dsnp/parquetjs@1.8.8 hyparquet@1.31.5 >>npm.log
cat > program.cjs <<'PROGRAM'
const fs = require("node:fs");
const { ParquetSchema, ParquetWriter } = require("@dsnp/parquetjs");
(async () => {
  const schema = new ParquetSchema({ price: { type: "DECIMAL", precision: 4, scale: 2 } });
  const writer = await ParquetWriter.openFile(schema, "prices.parquet");
  for (const price of [0.29, 1.1, 4.35, 1]) await writer.appendRow({ price });
  await writer.close();
  const { parquetReadObjects } = await import("hyparquet");
  const bytes = fs.readFileSync("prices.parquet");
  const file = bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length);
  const rows = await parquetReadObjects({ file });
  console.log(rows.map((row) => row.price.toFixed(2)).join(" "));
})();
PROGRAM
want='0.28 1.10 4.34 1.00'
seen=$(node program.cjs)
echo "@dsnp/parquetjs 1.8.8: $seen"
[ "$seen" = "$want" ] || { echo "it has changed: it was $want"; exit 1; }
