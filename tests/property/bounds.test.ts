/** The least and the greatest text of pages are those of all values, however much of their beginnings they share. */

import { expect, test } from "bun:test";
import fc from "fast-check";
import { STRING } from "../../core/table/type-text.ts";
import { ChunkBounds } from "../../sql/decode/made/bounds.ts";
import { PartColumn } from "../../sql/decode/made/column-part.ts";
import { PHYSICAL } from "../../sql/decode/made/part-schema.ts";

const text = fc
  .array(fc.constantFrom("a", "b", "ab", "é", "\u0000", "https://shop/"), { maxLength: 6 })
  .map((parts) => parts.join(""));
const order = fc.constantFrom("as it comes" as const, "rising" as const, "falling" as const);

test("bounds of texts are their least and greatest, page by page", async () => {
  const pages = fc.array(fc.array(text, { minLength: 1, maxLength: 12 }), {
    minLength: 1,
    maxLength: 3,
  });
  await fc.assert(
    fc.asyncProperty(pages, order, async (given, sorting) => {
      const column = new PartColumn(STRING, "zstd");
      const bounds = new ChunkBounds(PHYSICAL.bytes, false);
      const all: Buffer[] = [];
      for (const page of given) {
        const values = page.map((value) => Buffer.from(value));
        if (sorting !== "as it comes") values.sort(Buffer.compare);
        if (sorting === "falling") values.reverse();
        for (const value of values) column.copy(value, 0, value.length);
        bounds.add(column.plain());
        column.clear();
        all.push(...values);
      }
      const [least, ...others] = all.sort(Buffer.compare);
      if (least === undefined) throw new Error("a page has a value at least");
      expect(bounds.take()).toEqual({ min: least, max: others.at(-1) ?? least });
    }),
    { numRuns: 2_000 },
  );
});

test("entries without a value are where they were, whatever is taken back", async () => {
  const entry = fc.record({
    value: fc.option(fc.integer({ min: 0, max: 3 })),
    kept: fc.boolean(),
  });
  await fc.assert(
    fc.asyncProperty(fc.array(entry, { maxLength: 40 }), async (entries) => {
      const column = new PartColumn(STRING, "plain");
      const plain = new PartColumn(STRING, "plain");
      column.mark();
      for (const { value, kept } of entries) {
        for (const to of kept ? [column, plain] : [column]) {
          if (value === null) to.missing(0);
          else {
            to.present();
            to.text("x".repeat(value));
          }
        }
        if (kept) column.mark();
        else column.reset();
      }
      const [one, other] = [await column.take(), await plain.take()];
      expect(one).toEqual(other);
    }),
    { numRuns: 1_000 },
  );
});
