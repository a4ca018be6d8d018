/** Writes a segment: frames gathered in memory, hashed as they go to the disk, sealed with an end and synced. */

import { crc32 } from "node:zlib";
import {
  FRAME,
  FrameBuffer,
  FrameCursor,
  frameJson,
  readEnd,
  SEGMENT_MAGIC,
  type SegmentBatches,
  type SegmentEnd,
  type SegmentHeader,
  type SegmentSchema,
  type SegmentShape,
  type SegmentSnapshot,
  type SegmentTransaction,
  shapeJson,
} from "../../core/ingest/segment.ts";
import type { Disk } from "../disk/disk.ts";
import type { Durable } from "../disk/durable.ts";
import { CopyTarget, WriteFailed } from "../files/claim.ts";

/** A segment that is whole and synced. */
export interface WrittenSegment {
  /** Absolute. */
  readonly path: string;
  readonly sha256: string;
  readonly sizeBytes: number;
  /** Rows by `schema.table`. */
  readonly rows: Readonly<Record<string, number>>;
}

/** Bytes gathered before they are written. */
const WRITE_BYTES = 1024 * 1024;
/** An end frame is shorter: it names the tables of a segment. */
const TAIL_BYTES = 4 * 1024 * 1024;

/** One segment being written. */
export class SegmentFile {
  readonly path: string;
  readonly #target: CopyTarget;
  readonly #frames = new FrameBuffer(crc32);
  readonly #hasher = new Bun.CryptoHasher("sha256");
  readonly #shapes = new Map<number, SegmentShape>();
  readonly #rows = new Map<string, number>();
  /** Those that are not in `#rows` yet: there may be a transaction for each of them. */
  readonly #rowsByShape = new Map<SegmentShape, number>();
  #writtenBytes = 0;

  constructor(durable: Durable, path: string, header: SegmentHeader) {
    this.path = path;
    this.#target = new CopyTarget(durable, path, true);
    this.#frames.magic(header.late !== undefined);
    this.#frames.json("header", { ...header });
  }

  /** Bytes so far. */
  get sizeBytes(): number {
    return this.#writtenBytes + this.#frames.sizeBytes;
  }

  /** Tables that rows of are in it. */
  get shapes(): readonly SegmentShape[] {
    return [...this.#shapes.values()];
  }

  /** Describes a table before the first frame that refers to it. */
  shape(shape: SegmentShape): void {
    if (this.#shapes.has(shape.shape)) return;
    this.#shapes.set(shape.shape, shape);
    this.#frames.json("shape", shapeJson(shape));
  }

  transaction(transaction: SegmentTransaction): void {
    this.#frames.transaction(transaction);
  }

  snapshot(snapshot: SegmentSnapshot): void {
    this.#frames.json("snapshot", { ...snapshot });
  }

  /** What records of the segment name. */
  schema({ references, ...schema }: SegmentSchema): void {
    this.#frames.json("schema", { ...schema, references: references.map((one) => ({ ...one })) });
  }

  /** Rows of a snapshot, as they were received. */
  rows(shape: SegmentShape, bytes: Uint8Array, count: number): void {
    this.#frames.rows(shape.shape, bytes);
    this.count(shape, count);
  }

  /** Frames that were laid out elsewhere. Their rows are counted by `count`. */
  frames(bytes: Uint8Array, count: number): void {
    this.#frames.frames(bytes, count);
  }

  /** Batches of records as they were received, with so many that are meant. */
  batches(head: SegmentBatches, payload: Uint8Array, count: number): void {
    this.#frames.headed("batches", { ...head }, payload);
    this.#count(head.table, count);
  }

  count(shape: SegmentShape, rows: number): void {
    this.#rowsByShape.set(shape, (this.#rowsByShape.get(shape) ?? 0) + rows);
  }

  #count(table: string, rows: number): void {
    this.#rows.set(table, (this.#rows.get(table) ?? 0) + rows);
  }

  /** True when `flush` has something to write. */
  get isFull(): boolean {
    return this.#frames.sizeBytes >= WRITE_BYTES;
  }

  /** Writes what was gathered when it is much. */
  async flush(): Promise<void> {
    if (this.isFull) await this.#write();
  }

  /** Writes all that was gathered: who reads the file has it up to here, and little comes any more. */
  async flushAll(): Promise<void> {
    await this.#write();
    this.#frames.shrink();
    try {
      await this.#target.flush();
    } catch (thrown) {
      throw thrown instanceof WriteFailed ? thrown.failure : thrown;
    }
  }

  /** Rows so far, by `schema.table`. */
  get rowCounts(): Readonly<Record<string, number>> {
    const counts = new Map(this.#rows);
    for (const [shape, count] of this.#rowsByShape) {
      counts.set(tableName(shape), (counts.get(tableName(shape)) ?? 0) + count);
    }
    return Object.fromEntries(counts);
  }

  /** Whole and synced when it resolves; nothing is left of it when it throws. */
  async seal(to: string): Promise<WrittenSegment> {
    for (const [shape, count] of this.#rowsByShape) this.#count(tableName(shape), count);
    const rows = Object.fromEntries(this.#rows);
    this.#frames.json("end", { to, frames: this.#frames.frameCount, rows });
    try {
      await this.#write();
      await this.#target.finish();
      await this.#target.synced();
    } catch (thrown) {
      await this.discard();
      throw thrown instanceof WriteFailed ? thrown.failure : thrown;
    }
    const sha256 = this.#hasher.digest("hex");
    return { path: this.path, sha256, sizeBytes: this.#writtenBytes, rows };
  }

  /** Removes what there is of it. */
  async discard(): Promise<void> {
    await this.#target.discard();
  }

  async #write(): Promise<void> {
    const bytes = this.#frames.take(false);
    if (bytes.length === 0) return;
    // Under way in another thread while this one hashes.
    const written = this.#target.write(bytes, this.#writtenBytes);
    this.#hasher.update(bytes);
    try {
      await written;
    } catch (thrown) {
      throw thrown instanceof WriteFailed ? thrown.failure : thrown;
    }
    this.#writtenBytes += bytes.length;
  }
}

/** `schema.table`, as rows are counted by. */
export function tableName(shape: { readonly schema: string; readonly table: string }): string {
  return `${shape.schema}.${shape.table}`;
}

/** The end of a segment that was sealed; null for a file that is torn, or no segment. */
export async function endOf(
  disk: Disk,
  path: string,
  sizeBytes: number,
): Promise<SegmentEnd | null> {
  const file = await disk.open(path);
  try {
    const start = Math.max(SEGMENT_MAGIC.length, sizeBytes - TAIL_BYTES);
    const bytes = new Uint8Array(Math.max(0, sizeBytes - start));
    let length = 0;
    for (let read = -1; read !== 0 && length < bytes.length; length += read) {
      read = await file.read(bytes.subarray(length), start + length);
    }
    return endIn(bytes.subarray(0, length));
  } finally {
    await file.close();
  }
}

/** The last frame ends with the file: it is looked for where one of its kind would begin. */
function endIn(bytes: Uint8Array): SegmentEnd | null {
  const cursor = new FrameCursor(crc32);
  for (let at = bytes.lastIndexOf(FRAME.end); at >= 4; at = bytes.lastIndexOf(FRAME.end, at - 1)) {
    try {
      const isLast = cursor.read(bytes, at - 4, bytes.length) && cursor.next === bytes.length;
      if (isLast) return readEnd(frameJson(bytes.subarray(cursor.start, cursor.end)));
    } catch {
      // Bytes of a payload that look like the beginning of a frame.
    }
  }
  return null;
}
