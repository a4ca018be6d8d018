/** Rows that are there already: as of the slot's own beginning, or of that of a slot made for them. */

import type { Clock } from "../../../core/ports.ts";
import { tableName } from "../segment-file.ts";
import type { ReadTables } from "../table-stream.ts";
import { type Setup, temporarySlot } from "./setup.ts";
import { type ReadTable, Snapshot, SnapshotOutdated, type SnapshotWorld } from "./snapshot.ts";

export interface RowsWorld {
  readonly setup: Setup;
  readonly readers: number;
  readonly stop: AbortSignal;
  readonly clock: Clock;
  readonly notice: (text: string) => void;
  readonly files: SnapshotWorld;
  /** It is known as of when tables are read, by their names. */
  readonly onPoint: (names: readonly string[], at: bigint) => void;
  readonly onTables: (read: ReadTables) => void;
}

const ATTEMPTS = 3;

/** Reads all rows of tables. What was rewritten before it could be read is read as of a later point. */
export async function readRows(
  tables: readonly ReadTable[],
  fresh: Setup["fresh"],
  world: RowsWorld,
): Promise<void> {
  const { setup, readers, stop, clock, notice, files } = world;
  let left = tables;
  for (let attempt = 1; left.length > 0 && !stop.aborted; attempt++) {
    const { random } = files;
    const isFirst = attempt === 1 && fresh !== null;
    const made = isFirst ? fresh : await temporarySlot(setup, { clock, random, notice });
    const { at } = made.slot;
    world.onPoint(left.map(tableName), at);
    try {
      await new Snapshot(files, made.slot, stop).read(left, readers, (done, segments) => {
        left = left.filter((table) => !done.includes(table));
        world.onTables({ tables: done, at, segments });
      });
    } catch (thrown) {
      if (!(thrown instanceof SnapshotOutdated) || attempt >= ATTEMPTS) throw thrown;
    } finally {
      made.connection.destroy();
    }
  }
}
