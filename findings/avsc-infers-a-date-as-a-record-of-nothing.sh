#!/usr/bin/env bash
# avsc infers a record without fields from a Date, and writes it as no bytes at all.
# Guessed: a timestamp, a string, or an error.
# Seen: the type is accepted, the value is gone, and nothing says so.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm init -y >npm.log
npm install --silent --no-audit --no-fund avsc@5.7.9 >>npm.log
cat > program.mjs <<'PROGRAM'
import avro from "avsc";
const row = { at: new Date(0) };
const type = avro.Type.forValue(row);
console.log(type.toBuffer(row).length, JSON.stringify(type.fromBuffer(type.toBuffer(row))));
PROGRAM
want='0 {"at":{}}'
seen=$(node program.mjs)
echo "avsc 5.7.9: $seen"
[ "$seen" = "$want" ] || { echo "it has changed: it was $want"; exit 1; }
