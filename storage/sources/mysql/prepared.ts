/** Rows of transactions that are prepared: kept on disk until somebody says that they are committed, or taken back. */

import { readFile } from "node:fs/promises";
import { crc32 } from "node:zlib";
import { ioError, LakeError, worded } from "../../../core/base/errors.ts";
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
import type { Disk } from "../../disk/disk.ts";
import type { Durable } from "../../disk/durable.ts";
import { SegmentFile } from "../segment-file.ts";
import { Spool } from "../spool.ts";

/** Moves the rows of a spool into a file, called by what is in it; null where there are none. */
export async function holdPrepared(
  spool: Spool,
  where: {
    readonly durable: Durable;
    readonly folder: string;
    readonly path: string;
    readonly header: SegmentHeader;
  },
): Promise<{ readonly sha256: string | null; readonly sizeBytes: number }> {
  if (spool.isEmpty) return { sha256: null, sizeBytes: 0 };
  const { durable, folder, path, header } = where;
  const file = new SegmentFile(durable, path, header);
  try {
    await spool.drain(() => file);
    const { sha256, sizeBytes } = await file.seal(header.from);
    const to = `${folder}/${sha256}`;
    await worded("rename a file to", to, durable.disk.rename(path, to));
    await durable.syncFolders([folder]);
    return { sha256, sizeBytes };
  } catch (thrown) {
    await file.discard();
    throw thrown;
  }
}

/** The rows of such a file, as if they came now; none for null. */
export async function releasePrepared(
  path: string | null,
  world: { readonly disk: Disk; readonly path: string; readonly nextShape: () => number },
): Promise<Spool> {
  const spool = new Spool(world.disk, world.path, 0);
  if (path === null) return spool;
  const bytes = await bytesOf(path);
  const shapes = new Map<number, SegmentShape>();
  const cursor = new FrameCursor(crc32);
  for (let at = SEGMENT_MAGIC.length; cursor.read(bytes, at, bytes.length); at = cursor.next) {
    const { kind, start, end } = cursor;
    if (kind === FRAME.shape) {
      const shape = readShape(frameJson(bytes.subarray(start, end)));
      shapes.set(shape.shape, { ...shape, shape: world.nextShape() });
    } else if (kind === FRAME.message || kind === FRAME.event) {
      const shape = shapes.get(shapeNumber(bytes, start));
      if (shape === undefined) throw new LakeError("corrupt", `${path} has rows of no table`);
      if (kind === FRAME.event) spool.event(0, shape, bytes.subarray(start + 4, end), null);
      else spool.add(0, shape, bytes[start + 4] ?? 0, bytes.subarray(start + 5, end));
      if (spool.isLarge) await spool.spill();
    }
  }
  return spool;
}

async function bytesOf(path: string): Promise<Uint8Array> {
  try {
    return await readFile(path);
  } catch (thrown) {
    throw ioError(thrown, "read", path);
  }
}
