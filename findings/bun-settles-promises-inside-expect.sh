#!/usr/bin/env bash
# expect(promise).rejects of bun:test is written as in Jest, whose tests are told to await what it answers.
# Guessed: it answers a promise at once; what stands behind it runs, and may be what settles the promise that is expected.
# Seen: it turns the event loop itself until the promise has settled, and answers nothing; what is behind it waits for that.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
echo '{"private":true}' > package.json
npm install --silent --no-audit --no-fund --save-exact bun@1.4.5
cat > order.test.js <<'PROGRAM'
import { expect, test } from "bun:test";
test("order", async () => {
  const told = [];
  const later = new Promise((_, reject) =>
    setTimeout(() => {
      told.push("rejected");
      reject(new Error("no"));
    }, 50),
  );
  const answer = expect(later).rejects.toThrow("no");
  told.push("behind expect");
  await answer;
  console.log(`order: ${told.join(", ")}; the answer is ${typeof answer}`);
});
PROGRAM
want='order: rejected, behind expect; the answer is undefined'
seen=$(node node_modules/bun/install.js >/dev/null 2>&1 || true; node_modules/.bin/bun test order.test.js 2>&1 | grep '^order:')
echo "bun 1.4.5: $seen"
[ "$seen" = "$want" ] || { echo "it has changed: it was $want"; exit 1; }
