/** Events that have rows, as far as who receives them looks at them: whose they are, and which keys they change. */

import { inflateSync } from "node:zlib";
import { PLACE, u32At, uintAt } from "../../../core/ingest/binlog-row.ts";
import { EventRows, TABLE_NUMBER_BYTES } from "../../../core/ingest/binlog-rows.ts";
import type { EventHead } from "./binlog-event.ts";
import type { Cascade } from "./catalog.ts";
import type { LoggedTable } from "./shapes.ts";

/** Flags of an event: who wrote it did not look at foreign keys, or does what they say by statements of its own. */
const UNCHECKED_KEYS = 2;
const LOGGED_KEYS = 16;

/** The number of the table that its rows are of. */
export function tableOf({ bytes, start }: EventHead): number {
  return u32At(bytes, start) + uintAt(bytes, start + 4, TABLE_NUMBER_BYTES - 4) * 2 ** 32;
}

/** True where rows that foreign keys change with these are in the log too, or none are: keys were not looked at. */
export function isAlone({ bytes, start }: EventHead): boolean {
  const flags = uintAt(bytes, start + TABLE_NUMBER_BYTES, 2);
  return (flags & (UNCHECKED_KEYS | LOGGED_KEYS)) !== 0;
}

/** Which foreign keys change other rows with those of an event. */
export class KeyReader {
  readonly #rows = new EventRows(inflated);

  /** Those of `cascades`, by which the table is a parent, that do. */
  hit(
    { whole }: EventHead,
    { shape, layout }: LoggedTable,
    cascades: readonly Cascade[],
  ): readonly Cascade[] {
    const rows = this.#rows;
    const hit = new Set<Cascade>();
    const keys = cascades.map(({ columns }) =>
      columns.map((column) => shape.columns.findIndex(({ name }) => name === column)),
    );
    rows.open(whole, 0, whole.length, layout);
    if (rows.op === "c") return [];
    while (hit.size < cascades.length && rows.next()) {
      for (const [at, cascade] of cascades.entries()) {
        const { onDelete, onUpdate } = cascade;
        const isHit = rows.op === "d" ? onDelete : onUpdate && this.#differ(keys[at] ?? []);
        if (isHit) hit.add(cascade);
      }
    }
    return [...hit];
  }

  #differ(columns: readonly number[]): boolean {
    const { before, after, bytes } = this.#rows;
    return columns.some((index) => {
      if (bytes === null || after.kind(index) === PLACE.absent) return false;
      if (before.kind(index) !== after.kind(index)) return true;
      const old = bytes.subarray(before.start(index), before.end(index));
      return Buffer.compare(old, bytes.subarray(after.start(index), after.end(index))) !== 0;
    });
  }
}

/** As `Inflate` has it. */
export function inflated(bytes: Uint8Array, length: number): Uint8Array {
  return inflateSync(bytes, { maxOutputLength: Math.max(1, length) });
}
