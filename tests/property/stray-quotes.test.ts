/** One quote too many in a record that was written well: it is set aside, or read with it where it stands. */

import { expect, test } from "bun:test";
import fc from "fast-check";
import { strayReading } from "../../sql/decode/csv/stray.ts";

const SHAPE = { delimiter: ",", quote: '"' } as const;
const word = fc.stringMatching(/^[a-c ,7]{0,6}$/);
const fields = fc.array(fc.record({ text: word, isQuoted: fc.boolean() }), {
  minLength: 2,
  maxLength: 5,
});

test("a record is read with its stray quote where it stands, or not at all", () => {
  let read = 0;
  fc.assert(
    fc.property(fields, fc.nat(), fc.nat(), (given, which, where) => {
      const at = which % given.length;
      const written = given.map(({ text, isQuoted }, index) => {
        const needs = isQuoted || /^ |,/.test(text);
        const place = index === at ? where % (text.length + 1) : -1;
        const value = place < 0 ? text : `${text.slice(0, place)}"${text.slice(place)}`;
        return { value, written: needs ? `"${value}"` : value };
      });
      const record = written.map((field) => field.written).join(",");
      const found = strayReading(record, { ...SHAPE, columns: given.length });
      if (found === null) return;
      const values = written.map(({ value, written: text }) => (text === "" ? null : value));
      expect(found.fields).toEqual(values);
      read++;
    }),
    { numRuns: 3_000, seed: 59 },
  );
  expect(read).toBeGreaterThan(0);
});
