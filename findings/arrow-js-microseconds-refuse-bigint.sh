#!/usr/bin/env bash
# Arrow for JavaScript cannot be given microsecond timestamps as bigints, though that is how it stores them.
# Guessed: vectorFromArray takes 1000001n for TimestampMicrosecond.
# Seen: a TypeError about mixing BigInt and other types; a number is taken as milliseconds instead.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm init -y >npm.log
npm install --silent --no-audit --no-fund apache-arrow@21.2.0 >>npm.log
cat > program.mjs <<'PROGRAM'
import { TimestampMicrosecond, vectorFromArray } from "apache-arrow";
const round = (value) => {
  try {
    return String(vectorFromArray([value], new TimestampMicrosecond()).data[0].values[0]);
  } catch (error) {
    return error.constructor.name;
  }
};
console.log(round(1000001n), round(1000));
PROGRAM
want='TypeError 1000000'
seen=$(node program.mjs)
echo "apache-arrow 21.2.0: $seen"
[ "$seen" = "$want" ] || { echo "it has changed: it was $want"; exit 1; }
