#!/usr/bin/env bash
# csv-parse with `cast: true` turns 0x10 into the number 0.
# Guessed: 16, or the text as it is, since other texts that are no decimal number (12abc, 1_0) stay texts.
# Seen: hexadecimal and binary texts pass the test for numbers, and are then read only up to the letter.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm init -y >npm.log
npm install --silent --no-audit --no-fund csv-parse@7.0.3 >>npm.log
cat > program.mjs <<'PROGRAM'
import { parse } from "csv-parse/sync";
console.log(JSON.stringify(parse("0x10,0b11,12abc,1_0,1e3", { cast: true })));
PROGRAM
want='[[0,0,"12abc","1_0",1000]]'
seen=$(node program.mjs)
echo "csv-parse 7.0.3: $seen"
[ "$seen" = "$want" ] || { echo "it has changed: it was $want"; exit 1; }
