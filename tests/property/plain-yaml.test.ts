/** What is read as plain YAML without the library is what the library reads. */

import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import fc from "fast-check";
import { parsePlainYaml } from "../../cmd/project/plain-yaml.ts";
import { parseYaml } from "../../cmd/project/yaml.ts";

const TEMPLATES = ["shop/tarn.yaml", "files/tarn.yaml"];

test("the projects that init makes are plain", () => {
  for (const name of TEMPLATES) {
    const text = readFileSync(`${import.meta.dir}/../../cmd/templates/${name}`, "utf8");
    expect([name, parsePlainYaml(text)]).toEqual([name, { data: parseYaml(text).data }]);
  }
});

test("a model's front is plain", () => {
  const text = `
   kind: merge          # view | full | append | merge
   key: [order_id, line]
   tests:
     - not_null: customer_id
     - accepted: { status: [new, paid, "a b"] }
     - expect: amount >= 0
       on_fail: warn
   description: one row an order, as it stands now
`;
  expect(parsePlainYaml(text)).toEqual({ data: parseYaml(text).data });
});

const PIECES = [
  ..."a b: -  - # : , [ ] { } ' \" \n 0 1 012 1e3 0x1f .5 -1 true No null ~ & * ! | > % @ ` \\".split(
    " ",
  ),
  ..."a: b:\n - |a: |  a: b\n|  - c\n|- d: e\n|  f: g\n|: |- - x|{ a: b }|[a, b]|# c\n|\t|\r\n|---\n".split(
    "|",
  ),
  ..."10s|2GiB|<<: |a b|a: 'it''s'|x#y|'#'|k: \"q\" # c\n|é|http://x|a:b|? a|...\n|_x: y\n|__proto__: z\n".split(
    "|",
  ),
  " ",
  "\n",
  "\n  ",
];

test("whatever is taken for plain means the same to the library", () => {
  let plain = 0;
  const text = fc
    .array(fc.constantFrom(...PIECES), { maxLength: 14 })
    .map((parts) => parts.join(""));
  fc.assert(
    fc.property(text, (source) => {
      const read = parsePlainYaml(source);
      if (read === null) return;
      plain++;
      const full = parseYaml(source);
      expect([source, full.problems, full.data]).toEqual([source, [], read.data]);
    }),
    { numRuns: 60_000 },
  );
  expect(plain).toBeGreaterThan(500);
});

const NAME = fc.constantFrom("a", "b", "on_fail", "x-y", "true_", "nullx");
const SCALAR = fc.constantFrom(
  ..."a b|10s|0|-7|12|true|false|decimal(12,2)|amount >= 0|'q, q'|\"a: b\"|[a, 1]|{ k: v, l: [x] }".split(
    "|",
  ),
);
const INDENT = fc.constantFrom("", "  ", "    ", " ", "   ");
const LINE = fc.oneof(
  fc.tuple(INDENT, NAME, SCALAR).map(([indent, name, value]) => `${indent}${name}: ${value}`),
  fc.tuple(INDENT, NAME).map(([indent, name]) => `${indent}${name}:`),
  fc.tuple(INDENT, NAME, SCALAR).map(([indent, name, value]) => `${indent}- ${name}: ${value}`),
  fc.tuple(INDENT, SCALAR).map(([indent, value]) => `${indent}- ${value}`),
  fc.constantFrom("", "# note", "   # note"),
);

test("lines of any depth mean the same to the library", () => {
  let plain = 0;
  fc.assert(
    fc.property(fc.array(LINE, { maxLength: 8 }), (lines) => {
      const source = lines.join("\n");
      const read = parsePlainYaml(source);
      if (read === null) return;
      plain++;
      const full = parseYaml(source);
      expect([source, full.problems, full.data]).toEqual([source, [], read.data]);
    }),
    { numRuns: 40_000 },
  );
  expect(plain).toBeGreaterThan(2_000);
});
