#!/usr/bin/env bash
# SheetJS reads the text 1.2.3 of a CSV file as the day 2003-01-02.
# Guessed: a text, since a version is no number.
# Seen: the serial number 37623; 1-2 becomes a day of the year 2001. Only `raw: true` at reading keeps texts.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm init -y >npm.log
npm install --silent --no-audit --no-fund xlsx@0.18.5 >>npm.log
cat > program.mjs <<'PROGRAM'
import * as XLSX from "xlsx";
const cells = (options) =>
  XLSX.utils.sheet_to_json(XLSX.read("v\n1.2.3\n1-2\n", { type: "string", ...options }).Sheets.Sheet1, { header: 1 });
console.log(JSON.stringify(cells({})), JSON.stringify(cells({ raw: true })));
PROGRAM
want='[["v"],[37623],[36893]] [["v"],["1.2.3"],["1-2"]]'
seen=$(node program.mjs)
echo "xlsx 0.18.5: $seen"
[ "$seen" = "$want" ] || { echo "it has changed: it was $want"; exit 1; }
