/** Each case that streams must stand is a test that says its number: tests/README.md lists what they are. */

import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { Glob } from "bun";

const ROOT = join(import.meta.dirname, "..");
const numbers = (letter: string, count: number): string[] =>
  Array.from({ length: count }, (_, index) => `${letter}${index + 1}`);

/** Behind the quote that begins the name of a test: `D1: …`, `D8, 12: …`, `PostgreSQL 18, D14: …`. */
const NUMBERED =
  /test(?:\.each\([^"`]*\))?\(\s*["`](?:PostgreSQL [^,:]*, )?((?:[A-Z]?\d+(?:, )?)+):/g;

const found = new Set<string>();
for (const path of new Glob("**/*.test.ts").scanSync(ROOT)) {
  const text = readFileSync(join(ROOT, path), "utf8");
  for (const match of text.matchAll(NUMBERED)) {
    for (const number of match[1]?.split(", ") ?? []) found.add(number);
  }
}

test.each([...numbers("D", 16), ...numbers("E", 7), ...numbers("", 27)])(
  "case %s is a test",
  (number) => {
    expect(found).toContain(number);
  },
);
