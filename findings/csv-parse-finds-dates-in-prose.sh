#!/usr/bin/env bash
# csv-parse with `cast_date: true` makes a date in 2001 of any text that ends in a small number.
# Guessed: only texts that look like dates become dates.
# Seen: "ward 5" is the first of May 2001: whatever Date.parse of the runtime takes is a date.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm init -y >npm.log
npm install --silent --no-audit --no-fund csv-parse@7.0.3 >>npm.log
cat > program.mjs <<'PROGRAM'
import { parse } from "csv-parse/sync";
process.env.TZ = "UTC";
console.log(JSON.stringify(parse("ward 5,ward,2020-01-02", { cast: true, cast_date: true })));
PROGRAM
want='[["2001-05-01T00:00:00.000Z","ward","2020-01-02T00:00:00.000Z"]]'
seen=$(node program.mjs)
echo "csv-parse 7.0.3: $seen"
[ "$seen" = "$want" ] || { echo "it has changed: it was $want"; exit 1; }
