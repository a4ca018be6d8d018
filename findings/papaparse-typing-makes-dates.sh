#!/usr/bin/env bash
# Papa Parse with `dynamicTyping` turns ISO instants into Date objects, though its words speak of numbers and booleans.
# Guessed: a number, a boolean or a text.
# Seen: a Date; digits below a millisecond are gone from the value, while an id beyond 2^53 stays text.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm init -y >npm.log
npm install --silent --no-audit --no-fund papaparse@5.7.1 >>npm.log
cat > program.mjs <<'PROGRAM'
import Papa from "papaparse";
const [row] = Papa.parse("at,id\n2020-01-01T00:00:00.123456Z,9007199254740993", { header: true, dynamicTyping: true }).data;
console.log(row.at instanceof Date, JSON.stringify(row));
PROGRAM
want='true {"at":"2020-01-01T00:00:00.123Z","id":"9007199254740993"}'
seen=$(node program.mjs)
echo "papaparse 5.7.1: $seen"
[ "$seen" = "$want" ] || { echo "it has changed: it was $want"; exit 1; }
