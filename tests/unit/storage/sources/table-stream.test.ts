/** A stream that is behind says so until all that was there has been handed over, whatever the disk takes. */

import { expect, test } from "bun:test";
import { systemClock, systemRandom } from "../../../../cmd/clock.ts";
import type { SegmentShape } from "../../../../core/ingest/segment.ts";
import type { Disk, DiskFile } from "../../../../storage/disk/disk.ts";
import { Durable, realDisk } from "../../../../storage/disk/durable.ts";
import { Spool } from "../../../../storage/sources/spool.ts";
import type { KnownTable } from "../../../../storage/sources/table-states.ts";
import {
  type StreamKind,
  type StreamPosition,
  TableStream,
} from "../../../../storage/sources/table-stream.ts";
import { tempFolder } from "../../../support/temp-folder.ts";

const TABLE = { schema: "public", table: "t", oid: 7, member: "1" };
const SHAPE: SegmentShape = { shape: 1, ...TABLE, columns: [], identity: "default" };
const KNOWN: Readonly<Record<string, KnownTable>> = { "public.t": { oid: 7, member: "1", at: 0n } };
const END = 9n;

/** A disk whose syncs wait to be let go on. */
class SlowDisk {
  readonly #syncs: (() => void)[] = [];
  #reached = Promise.withResolvers<void>();

  /** Resolves when one waits. */
  get isSyncing(): Promise<void> {
    return this.#reached.promise;
  }

  goOn(): void {
    for (const sync of this.#syncs.splice(0)) sync();
  }

  readonly disk: Disk = {
    ...realDisk,
    create: async (path) => {
      const file = await realDisk.create(path);
      const sync = async (): Promise<void> => {
        const { promise, resolve } = Promise.withResolvers<void>();
        this.#syncs.push(resolve);
        this.#reached.resolve();
        await promise;
        await file.sync();
      };
      return {
        read: (buffer, position) => file.read(buffer, position),
        write: (bytes, position) => file.write(bytes, position),
        stat: () => file.stat(),
        sync,
        close: () => file.close(),
      } satisfies DiskFile;
    },
  };
}

/** One transaction of one row, and nothing after it. */
function kindOf(
  stream: () => TableStream<StreamPosition, typeof TABLE>,
  spool: Spool,
): StreamKind<StreamPosition, typeof TABLE> {
  let isSent = false;
  const over = Promise.withResolvers<void>();
  return {
    word: "test",
    server: {},
    snapshot: "false",
    heartbeatMs: 60_000,
    movedBytes: 1_000n,
    place: String,
    positionText: ({ lsn }) => String(lsn),
    position: () => ({}),
    isInside: () => false,
    connect: async () => ({
      isStalled: false,
      receive: async () => {
        if (isSent) return false;
        isSent = true;
        spool.add(1, SHAPE, 73, new Uint8Array(8));
        await stream().commit(spool, { position: "9", xid: "1", committedAt: "0" }, END);
        return true;
      },
      more: () => over.promise,
      close: () => over.resolve(),
    }),
    readRows: async () => {},
    look: async () => {},
    missed: (table) => new Error(table),
    explained: async (thrown) => thrown,
    end: async () => {},
  };
}

test("while a segment is sealed, its stream is not caught up", async () => {
  await using folder = await tempFolder();
  const slow = new SlowDisk();
  const durable = new Durable(slow.disk, folder.path);
  const world = { clock: systemClock, random: systemRandom, notice: () => {} };
  const start = { position: { lsn: 0n, tables: KNOWN, pending: [] }, from: "0", goal: END };
  const spool = new Spool(slow.disk, `${folder.path}/spool`, 1);
  const stream: TableStream<StreamPosition, typeof TABLE> = new TableStream(
    kindOf(() => stream, spool),
    { ...world, source: "s", lakeId: "l", projectRoot: "/", durable, folder: folder.path },
    start,
  );
  await stream.begin([TABLE], false, false);
  const next = stream.next({ bytes: 1_000_000, lingerMs: 0 });
  await slow.isSyncing;
  expect(stream.isCaughtUp).toBe(false);
  slow.goOn();
  expect((await next)?.rows).toEqual({ "public.t": 1 });
  expect(stream.isCaughtUp).toBe(true);
  await stream.close();
});
