#!/usr/bin/env bash
# avsc, asked for the Avro type of JavaScript numbers, says `float`, which has 32 bits.
# Guessed: double, as a JavaScript number is one, or long for whole numbers.
# Seen: one number beyond 2^31 or with a fraction makes all of them float, and writing rounds them without an error.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm init -y >npm.log
npm install --silent --no-audit --no-fund avsc@5.7.9 >>npm.log
cat > program.mjs <<'PROGRAM'
import avro from "avsc";
const values = [16777217, 3000000001];
const type = avro.Type.forValue(values);
console.log(type.toString(), JSON.stringify(type.fromBuffer(type.toBuffer(values))));
PROGRAM
want='{"type":"array","items":"float"} [16777216,3000000000]'
seen=$(node program.mjs)
echo "avsc 5.7.9: $seen"
[ "$seen" = "$want" ] || { echo "it has changed: it was $want"; exit 1; }
