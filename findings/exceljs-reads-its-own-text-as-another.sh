#!/usr/bin/env bash
# exceljs writes the text _x0041_bc so that it reads Abc.
# Guessed: the same text, as _x005F_x0041_bc in the file.
# Seen: _xHHHH_ is an escape of the format that exceljs reads and does not write: a code that looks like one is another text
# in Excel, and in exceljs itself. openpyxl 3.1.5 writes the same.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm init -y >npm.log
npm install --silent --no-audit --no-fund exceljs@4.4.0 >>npm.log
cat > program.cjs <<'PROGRAM'
const { Workbook } = require("exceljs");
(async () => {
  const text = "_x0041_bc";
  const book = new Workbook();
  book.addWorksheet("codes").getCell("A1").value = text;
  await book.xlsx.writeFile("codes.xlsx");
  const read = new Workbook();
  await read.xlsx.readFile("codes.xlsx");
  console.log(text, read.getWorksheet("codes").getCell("A1").value);
})();
PROGRAM
want='_x0041_bc Abc'
seen=$(node program.cjs)
echo "exceljs 4.4.0: $seen"
[ "$seen" = "$want" ] || { echo "it has changed: it was $want"; exit 1; }
