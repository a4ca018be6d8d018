/** Words of a command line as arguments, beside what citty makes of them. */

import { expect, test } from "bun:test";
import { type ArgsDef, parseArgs } from "citty";
import fc from "fast-check";
import { parseArguments } from "../../../cmd/command.ts";

const DEFS = {
  files: { type: "positional", required: false },
  command: { type: "string", alias: "c" },
  "max-rows": { type: "string", default: "10" },
  quiet: { type: "boolean", alias: "q" },
  color: { type: "boolean", default: true },
} as const satisfies ArgsDef;

const NAMES = ["_", "command", "max-rows", "quiet", "color"] as const;

function named(args: Readonly<Record<string, unknown>>) {
  return NAMES.map((name) => [name, args[name]]);
}

test("flags are read as citty reads them", () => {
  const flag = fc.constantFrom(
    ..."--quiet|-q|-qc x|-qcx|-cx|-c=x|--command=|--command=a=b|--command a|-c -1|--max-rows 5|--quiet=false".split(
      "|",
    ),
    ..."--quiet=yes|--color|--no-color|--no-quiet|a|b c|-|-- --quiet a".split("|"),
  );
  fc.assert(
    fc.property(fc.array(flag, { maxLength: 6 }), (flags) => {
      const words = flags.flatMap((each) => (each === "b c" ? [each] : each.split(" ")));
      // citty takes every --no-x first, wherever it stands; here the last word about a flag wins.
      const negated = words.filter((word) => word === "--no-color" || word === "--no-quiet");
      const affirmed = words.filter((word) => /^--(?:color|quiet)|^-q/.test(word));
      fc.pre(negated.length === 0 || affirmed.length === 0);
      const read = parseArguments(words, DEFS);
      expect([words, named(read)]).toEqual([words, named(parseArgs(words, DEFS))]);
    }),
    { numRuns: 5_000 },
  );
});

test("the last word about a flag wins, and its value may look like a flag", () => {
  const read = parseArguments(
    ["--no-color", "--color", "-c", "--no-quiet", "-q", "--command"],
    DEFS,
  );
  expect(named(read)).toEqual([
    ["_", []],
    ["command", ""],
    ["max-rows", "10"],
    ["quiet", true],
    ["color", true],
  ]);
});
