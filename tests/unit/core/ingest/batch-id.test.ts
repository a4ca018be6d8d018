/** Batch ids grow whatever the clock does. */

import { expect, test } from "bun:test";
import fc from "fast-check";
import { compareCodePoints } from "../../../../core/base/order.ts";
import { batchTimeMs, nextBatchId } from "../../../../core/ingest/batch-id.ts";

const UUID = "01234567-89ab-cdef-0123-456789abcdef";

test("each id is greater than the last, also when the clock stands still or jumps back", () => {
  const clock = fc.array(fc.integer({ min: 0, max: 4_102_444_800_000 }), { minLength: 2 });
  fc.assert(
    fc.property(clock, fc.uuid(), (times, uuid) => {
      let previous: string | null = null;
      for (const nowMs of times) {
        const id: string = nextBatchId(nowMs, previous, uuid);
        expect(batchTimeMs(id)).toBeGreaterThanOrEqual(nowMs);
        if (previous !== null) {
          expect(compareCodePoints(previous, id)).toBeLessThan(0);
          expect(batchTimeMs(id)).toBeGreaterThan(batchTimeMs(previous));
        }
        previous = id;
      }
    }),
  );
});

test("the time part is the clock's, and sorts as text", () => {
  expect(nextBatchId(0, null, UUID)).toBe("000000000-01234567");
  expect(batchTimeMs(nextBatchId(1_763_600_000_000, null, UUID))).toBe(1_763_600_000_000);
});
