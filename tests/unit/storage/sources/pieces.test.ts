/** A large transaction is in segments of its own when it is committed; what was rolled back is in none of them. */

import { expect, test } from "bun:test";
import { readdir, readFile } from "node:fs/promises";
import { crc32 } from "node:zlib";
import { systemRandom } from "../../../../cmd/clock.ts";
import {
  FRAME,
  FrameBuffer,
  FrameCursor,
  frameJson,
  frameTransaction,
  readEnd,
  readHeader,
  type SegmentShape,
} from "../../../../core/ingest/segment.ts";
import type { ComingFile } from "../../../../core/ingest/source.ts";
import type { Disk } from "../../../../storage/disk/disk.ts";
import { Durable, realDisk } from "../../../../storage/disk/durable.ts";
import { Pieces } from "../../../../storage/sources/pieces.ts";
import { SegmentFile } from "../../../../storage/sources/segment-file.ts";
import { Spool } from "../../../../storage/sources/spool.ts";
import { tempFolder } from "../../../support/temp-folder.ts";

const MIB = 1024 * 1024;
const SHAPE: SegmentShape = {
  ...{ shape: 1, schema: "public", table: "t", oid: 7 },
  ...{ columns: [], identity: "default" },
};
const OTHER: SegmentShape = { ...SHAPE, shape: 2, table: "other", oid: 8 };
const COMMIT = { position: "0000000000000009", xid: "5", committedAt: "1764000000000000" };
const ALL = (): boolean => true;

async function begin(disk: Disk = realDisk) {
  const folder = await tempFolder();
  const durable = new Durable(disk, folder.path);
  const told: ComingFile[] = [];
  const dropped: string[] = [];
  const pieces = new Pieces({
    disk,
    open: (firstPlace) => {
      const header = { kind: "postgres", source: "shop", from: "0", server: {} };
      const path = `${folder.path}/${systemRandom.uuid()}`;
      return new SegmentFile(durable, path, { ...header, late: { firstPlace } });
    },
    onPiece: (piece) => told.push(piece),
    onDropped: (paths) => dropped.push(...paths),
  });
  const spool = new Spool(disk, `${folder.path}/spool`, 5, { pieces });
  /** Changes of a mebibyte, by their numbers; every third is of the other table. */
  const add = async (xid: number, from: number, count: number): Promise<void> => {
    for (let id = from; id < from + count; id++) {
      const rest = new Uint8Array(MIB);
      new DataView(rest.buffer).setUint32(0, id);
      spool.add(xid, id % 3 === 0 ? OTHER : SHAPE, 0x49, rest);
      if (spool.isLarge) await spool.spill();
    }
  };
  return { folder, pieces, spool, told, dropped, add };
}

/** What stands in a segment: numbers of its changes in their order, and what is said of them. */
async function read(path: string) {
  const bytes = await readFile(path);
  const cursor = new FrameCursor(crc32);
  const kinds: number[] = [];
  const ids: number[] = [];
  let said: Readonly<Record<string, unknown>> = {};
  for (let at = 8; cursor.read(bytes, at, bytes.length); at = cursor.next) {
    const payload = bytes.subarray(cursor.start, cursor.end);
    kinds.push(cursor.kind);
    if (cursor.kind === FRAME.message) ids.push(payload.readUInt32BE(5));
    else if (cursor.kind === FRAME.header) {
      said = { ...readHeader(frameJson(payload)).late };
    } else if (cursor.kind === FRAME.transaction) said = { ...said, ...frameTransaction(payload) };
    else if (cursor.kind === FRAME.end) said = { ...said, rows: readEnd(frameJson(payload)).rows };
  }
  return { ids, said, ends: kinds.slice(-2), isWhole: cursor.next > bytes.length };
}

test("it is whole as it stands: each piece with its end, in order, its frames counted", async () => {
  const { folder, spool, told, dropped, add } = await begin();
  await using _ = folder;
  await add(5, 0, 37);
  expect(told.map(({ sizeBytes }) => Math.floor(sizeBytes / MIB))).toEqual([16, 16]);
  const pieces = await spool.wholePieces(ALL);
  const written = (await pieces?.seal(COMMIT, "9")) ?? [];
  await spool.clear();
  const found = await Promise.all(written.map(({ path }) => read(path)));
  expect(found.flatMap(({ ids }) => ids)).toEqual(Array.from({ length: 37 }, (_, id) => id));
  let firstPlace = 0;
  for (const { ids, said, ends } of found) {
    const others = ids.filter((id) => id % 3 === 0).length;
    const rows = { "public.other": others, "public.t": ids.length - others };
    expect(said).toEqual({ firstPlace, ...COMMIT, rows });
    expect(ends).toEqual([FRAME.transaction, FRAME.end]);
    firstPlace += ids.length;
  }
  expect(told.map(({ path }) => path)).toEqual(
    written.slice(0, told.length).map((one) => one.path),
  );
  expect(told[0]?.rows).toEqual(written[0]?.rows ?? {});
  expect([dropped, (await readdir(folder.path)).length]).toEqual([[], written.length]);
});

test("of one of which a part was rolled back no piece is a segment: the rest is copied", async () => {
  const { folder, spool, told, dropped, add } = await begin();
  await using _ = folder;
  await add(5, 0, 25);
  await add(6, 100, 10);
  await add(5, 200, 3);
  spool.forget((key) => key === 6);
  expect(dropped).toEqual(told.map(({ path }) => path));
  expect(await spool.wholePieces(ALL)).toBe(null);
  const copy = new FrameBuffer(crc32);
  const counts = new Map<SegmentShape, number>();
  await spool.drain(() => ({
    shape: () => {},
    frames: (bytes, count) => copy.frames(bytes, count),
    count: (shape, rows) => void counts.set(shape, (counts.get(shape) ?? 0) + rows),
    flush: async () => {},
  }));
  const bytes = Buffer.from(copy.take(false));
  const cursor = new FrameCursor(crc32);
  const ids: number[] = [];
  for (let at = 0; cursor.read(bytes, at, bytes.length); at = cursor.next) {
    ids.push(bytes.readUInt32BE(cursor.start + 5));
  }
  expect(ids).toEqual([...Array.from({ length: 25 }, (_, id) => id), 200, 201, 202]);
  expect([copy.frameCount, counts.get(SHAPE), counts.get(OTHER)]).toEqual([28, 18, 10]);
  expect(await readdir(folder.path)).toEqual([]);
});

test("of one that was rolled back nothing is left; the next is one of its own", async () => {
  const { folder, spool, told, dropped, add } = await begin();
  await using _ = folder;
  await add(5, 0, 25);
  await spool.clear();
  expect([dropped.length, await readdir(folder.path)]).toEqual([told.length, []]);
  await add(5, 50, 22);
  const written = (await (await spool.wholePieces(ALL))?.seal(COMMIT, "9")) ?? [];
  const found = await Promise.all(written.map(({ path }) => read(path)));
  expect(found.flatMap(({ ids }) => ids)).toEqual(Array.from({ length: 22 }, (_, id) => 50 + id));
  expect(found[0]?.said).toMatchObject({ firstPlace: 0 });
});

test("a table that waits, and a little one, are copied as ever", async () => {
  const { folder, spool, told, add } = await begin();
  await using _ = folder;
  await add(5, 0, 10);
  expect([told.length, await spool.wholePieces(ALL)]).toEqual([0, null]);
  await add(5, 10, 15);
  expect([told.length, await spool.wholePieces((shape) => shape !== OTHER)]).toEqual([1, null]);
  await spool.clear();
});

test("where the disk fails while they are sealed, they are none", async () => {
  let isFailing = false;
  const failing: Disk = {
    ...realDisk,
    create: async (path) => {
      const file = await realDisk.create(path);
      return {
        read: (buffer, position) => file.read(buffer, position),
        write: (bytes, position) => file.write(bytes, position),
        stat: () => file.stat(),
        close: () => file.close(),
        sync: async () => {
          if (isFailing) throw new Error("EIO");
          await file.sync();
        },
      };
    },
  };
  const { folder, spool, add } = await begin(failing);
  await using _ = folder;
  await add(5, 0, 25);
  const pieces = await spool.wholePieces(ALL);
  isFailing = true;
  const failed = await pieces?.seal(COMMIT, "9").catch((thrown: unknown) => String(thrown));
  expect(failed).toContain("EIO");
});
