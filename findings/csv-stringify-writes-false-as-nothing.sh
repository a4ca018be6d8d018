#!/usr/bin/env bash
# csv-stringify writes `true` as 1 and `false` as an empty field, the same as null.
# Guessed: true and false, or 1 and 0.
# Seen: after a round trip false, null and the empty text cannot be told apart.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm init -y >npm.log
npm install --silent --no-audit --no-fund csv-stringify@6.9.0 >>npm.log
cat > program.mjs <<'PROGRAM'
import { stringify } from "csv-stringify/sync";
process.stdout.write(stringify([[true, false, null, ""]]));
PROGRAM
want='1,,,'
seen=$(node program.mjs)
echo "csv-stringify 6.9.0: $seen"
[ "$seen" = "$want" ] || { echo "it has changed: it was $want"; exit 1; }
