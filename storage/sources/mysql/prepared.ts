/** Transactions that are prepared: their rows are kept on disk until somebody says that they are committed, or not. */

import { crc32 } from "node:zlib";
import { LakeError, worded } from "../../../core/base/errors.ts";
import {
  FRAME,
  FrameCursor,
  frameJson,
  readShape,
  SEGMENT_MAGIC,
  type SegmentHeader,
  type SegmentShape,
  shapeNumber,
} from "../../../core/ingest/segment.ts";
import type { Random } from "../../../core/ports.ts";
import type { Disk } from "../../disk/disk.ts";
import type { Durable } from "../../disk/durable.ts";
import { SegmentFile } from "../segment-file.ts";
import { Spool } from "../spool.ts";
import type { PreparedRows } from "./position.ts";

export interface PreparedWorld {
  readonly durable: Durable;
  readonly random: Random;
  /** Absolute; the stream's own. */
  readonly folder: string;
  readonly header: Omit<SegmentHeader, "from">;
  readonly nextShape: () => number;
}

const READ_BYTES = 1024 * 1024;
/** In front of what a frame holds of a shape: its number. */
const NUMBER_BYTES = 4;

export class PreparedTransactions {
  readonly #world: PreparedWorld;
  #all: readonly PreparedRows[];
  /** Files of those that are decided, and where that was: a position from before still names them. */
  readonly #decided = new Map<string, bigint>();

  constructor(all: readonly PreparedRows[], world: PreparedWorld) {
    this.#all = all;
    this.#world = world;
  }

  /** As a position has them. */
  get all(): readonly PreparedRows[] {
    return this.#all;
  }

  /** Names of the files that hold their rows. */
  get files(): readonly string[] {
    return this.#all.flatMap(({ sha256 }) => (sha256 === null ? [] : [sha256]));
  }

  has(xid: string): boolean {
    return this.#all.some((one) => one.xid === xid);
  }

  /** Moves the rows of a spool into a file, which is durable when it resolves. `from` is their place in the log. */
  async hold(xid: string, spool: Spool, from: string): Promise<void> {
    const others = this.#all.filter((one) => one.xid !== xid);
    this.#all = [...others, { xid, ...(await this.#held(spool, from)) }];
  }

  /** Ends one at a place: its rows as if they came now, none where it was taken back or nobody has seen it prepared. */
  async decide(xid: string, isCommit: boolean, at: bigint): Promise<Spool> {
    const held = this.#all.find((one) => one.xid === xid);
    const { durable, folder, random } = this.#world;
    const spool = new Spool(durable.disk, `${folder}/spool-${random.uuid()}`, 0);
    const sha256 = held?.sha256 ?? null;
    try {
      if (sha256 !== null && isCommit) await this.#release(`${folder}/${sha256}`, spool);
    } catch (thrown) {
      await spool.clear().catch(() => {});
      throw thrown;
    }
    this.#all = this.#all.filter((one) => one !== held);
    if (sha256 !== null) this.#decided.set(sha256, at);
    return spool;
  }

  /** All up to a place is in the lake: no position names files any more of what was decided before. */
  async settle(at: bigint): Promise<void> {
    const { durable, folder } = this.#world;
    const gone = [...this.#decided].filter(([, decided]) => decided <= at).map(([name]) => name);
    for (const name of gone) this.#decided.delete(name);
    if (gone.length > 0) await durable.discard(gone.map((name) => `${folder}/${name}`));
  }

  async #held(spool: Spool, from: string): Promise<Omit<PreparedRows, "xid">> {
    if (spool.isEmpty) return { sha256: null, sizeBytes: 0 };
    const { durable, folder, random, header } = this.#world;
    const path = `${folder}/${random.uuid()}`;
    const file = new SegmentFile(durable, path, { ...header, from });
    try {
      await spool.drain(() => file);
      const { sha256, sizeBytes } = await file.seal(from);
      const to = `${folder}/${sha256}`;
      await worded("rename a file to", to, durable.disk.rename(path, to));
      await durable.syncFolders([folder]);
      return { sha256, sizeBytes };
    } catch (thrown) {
      await file.discard();
      throw thrown;
    }
  }

  async #release(path: string, spool: Spool): Promise<void> {
    const shapes = new Map<number, SegmentShape>();
    await eachFrame(this.#world.durable.disk, path, (bytes, { kind, start, end }) => {
      if (kind === FRAME.shape) {
        const shape = readShape(frameJson(bytes.subarray(start, end)));
        shapes.set(shape.shape, { ...shape, shape: this.#world.nextShape() });
      }
      if (kind !== FRAME.message && kind !== FRAME.event) return null;
      const shape = shapes.get(shapeNumber(bytes, start));
      if (shape === undefined) throw new LakeError("corrupt", `${path} has rows of no table`);
      const rows = bytes.subarray(start + NUMBER_BYTES, end);
      if (kind === FRAME.event) spool.event(0, shape, rows, null);
      else spool.add(0, shape, rows[0] ?? 0, rows.subarray(1));
      return spool.isLarge ? spool.spill() : null;
    });
  }
}

/** Hands over each frame of a segment; a promise where the next one has to wait. */
async function eachFrame(
  disk: Disk,
  path: string,
  take: (bytes: Uint8Array, frame: FrameCursor) => Promise<void> | null,
): Promise<void> {
  const file = await worded("open", path, disk.open(path));
  try {
    const cursor = new FrameCursor(crc32);
    let bytes = new Uint8Array(READ_BYTES);
    let held = 0;
    for (let position = SEGMENT_MAGIC.length; ; ) {
      const read = await worded("read", path, file.read(bytes.subarray(held), position));
      if (read === 0) return;
      position += read;
      held += read;
      let at = 0;
      for (; cursor.read(bytes, at, held); at = cursor.next) {
        const wait = take(bytes, cursor);
        if (wait !== null) await wait;
      }
      const wanted = Math.max(READ_BYTES, cursor.next - at);
      const rest = wanted > bytes.length ? new Uint8Array(wanted) : bytes;
      rest.set(bytes.subarray(at, held));
      bytes = rest;
      held -= at;
    }
  } finally {
    await file.close();
  }
}
