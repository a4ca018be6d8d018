/** Frames that wait, of a transaction that is not committed or a table that is not read yet: many are on disk. */

import { crc32 } from "node:zlib";
import { LakeError, worded } from "../../core/base/errors.ts";
import {
  FrameBuffer,
  FrameCursor,
  type SegmentShape,
  shapeNumber,
} from "../../core/ingest/segment.ts";
import type { Disk, DiskFile } from "../disk/disk.ts";
import type { Pieces } from "./pieces.ts";

/** Where frames of a transaction go once it is committed. */
export interface SpoolTarget {
  /** Before the first frame of a shape. */
  shape(shape: SegmentShape): void;
  frames(bytes: Uint8Array, count: number): void;
  count(shape: SegmentShape, rows: number): void;
  flush(): Promise<void>;
}

export interface SpoolOptions {
  readonly memoryBytesMax?: number;
  readonly pieces?: Pieces | null;
}

/** Frames under one key, such as the number of a subtransaction, without others between. */
interface Run {
  readonly key: number | bigint;
  readonly start: number;
  end: number;
  frames: number;
  readonly rows: Map<SegmentShape, number>;
}

/** Of one of many, in memory, above which it goes to disk; and of any, handed on at once. */
const MEMORY_BYTES_MAX = 4 * 1024 * 1024;
const READ_BYTES = 1024 * 1024;

export class Spool {
  readonly #disk: Disk;
  readonly #path: string;
  readonly #memoryBytesMax: number;
  readonly #frames = new FrameBuffer(crc32);
  #runs: Run[] = [];
  #file: DiskFile | null = null;
  #reader: DiskFile | null = null;
  #spilledBytes = 0;
  /** The number of the transaction, of which others may be parts. */
  xid: number;
  /** Where it came from, when it was replicated to the server. */
  origin: string | undefined;
  /** Tables as they were described in it. */
  readonly relations = new Map<number, SegmentShape | null>();
  /** Where what goes to disk goes; null: to a file of its own. */
  readonly #pieces: Pieces | null;
  /** What is in memory: frames, and rows by their shapes. */
  #memoryFrames = 0;
  #memoryRows = new Map<SegmentShape, number>();
  /** Rows of the last run that are not in its counts yet: mostly many of one shape follow one another. */
  #lastShape: SegmentShape | null = null;
  #lastRows = 0;

  constructor(
    disk: Disk,
    path: string,
    xid: number,
    { memoryBytesMax = MEMORY_BYTES_MAX, pieces = null }: SpoolOptions = {},
  ) {
    this.#disk = disk;
    this.#path = path;
    this.xid = xid;
    this.#memoryBytesMax = memoryBytesMax;
    this.#pieces = pieces;
  }

  /** True when nothing of it is to be kept. */
  get isEmpty(): boolean {
    return this.#runs.length === 0;
  }

  /** True when it should be `spill`ed. */
  get isLarge(): boolean {
    return this.#frames.sizeBytes > this.#memoryBytesMax;
  }

  /** A message of a subtransaction, or of the transaction itself. */
  add(xid: number, shape: SegmentShape, type: number, rest: Uint8Array): void {
    const start = this.#spilledBytes + this.#frames.sizeBytes;
    this.#frames.message(shape.shape, type, rest);
    this.#extend(xid, start, shape, 1, 1);
  }

  /** An event with rows of a shape, which count as one; `sum` as FrameBuffer has it. */
  event(key: number, shape: SegmentShape, event: Uint8Array, sum: number | null): void {
    const start = this.#spilledBytes + this.#frames.sizeBytes;
    this.#frames.event(shape.shape, event, sum);
    this.#extend(key, start, shape, 1, 1);
  }

  /** Frames that were laid out elsewhere, with rows of one shape. */
  append(key: bigint, shape: SegmentShape, rows: number, bytes: Uint8Array, count: number): void {
    const start = this.#spilledBytes + this.#frames.sizeBytes;
    this.#frames.frames(bytes, count);
    this.#extend(key, start, shape, rows, count);
  }

  /** Forgets what is under a key: a subtransaction that was rolled back. */
  forget(isForgotten: (key: number | bigint) => boolean): void {
    this.#settle();
    const { length } = this.#runs;
    this.#runs = this.#runs.filter((run) => !isForgotten(run.key));
    if (this.#runs.length < length) this.#pieces?.tear();
  }

  /** Its pieces, with all that is left of it, where they can be segments; null where it is to be drained. */
  async wholePieces(test: (shape: SegmentShape) => boolean): Promise<Pieces | null> {
    if (this.#pieces?.isWhole !== true || !this.#isOf(test)) return null;
    if (this.#frames.sizeBytes > 0) await this.spill();
    return this.#pieces;
  }

  /** Moves what is in memory to disk. */
  async spill(): Promise<void> {
    if (this.#pieces !== null) {
      this.#settle();
      const rows = this.#memoryRows;
      const frames = this.#memoryFrames;
      this.#memoryRows = new Map();
      this.#memoryFrames = 0;
      const bytes = this.#frames.take(false);
      this.#spilledBytes += bytes.length;
      await this.#pieces.add(rows, bytes, frames);
      return;
    }
    this.#file ??= await worded("create", this.#path, this.#disk.create(this.#path));
    const bytes = this.#frames.take(false);
    await worded("write", this.#path, this.#file.write(bytes, this.#spilledBytes));
    this.#spilledBytes += bytes.length;
  }

  /** True when it is little and in memory, and of tables alone that this says yes to. */
  isSmallOf(test: (shape: SegmentShape) => boolean): boolean {
    if (this.#spilledBytes > 0 || this.#frames.sizeBytes > MEMORY_BYTES_MAX) return false;
    return this.#isOf(test);
  }

  #isOf(test: (shape: SegmentShape) => boolean): boolean {
    this.#settle();
    for (const { rows } of this.#runs)
      for (const shape of rows.keys()) if (!test(shape)) return false;
    return true;
  }

  /** `drain` to one target of what is in memory: at once. */
  drainAtOnce(target: SpoolTarget): void {
    this.#settle();
    const bytes = this.#frames.take(false);
    for (const run of this.#runs) {
      for (const [shape, rows] of run.rows) {
        target.shape(shape);
        target.count(shape, rows);
      }
      target.frames(bytes.subarray(run.start, run.end), run.frames);
    }
    this.#runs = [];
    this.#forgetMemory();
    this.relations.clear();
  }

  /** Hands the frames over in the order in which they came, and leaves it empty. */
  async drain(targetOf: (shape: SegmentShape) => SpoolTarget | null): Promise<void> {
    this.#settle();
    const inMemory = this.#frames.take(false);
    for (const run of this.#runs) {
      const targets = new Map([...run.rows.keys()].map((shape) => [shape, targetOf(shape)]));
      const [first] = targets.values();
      const isOne = [...targets.values()].every((target) => target === first);
      for (const [shape, rows] of run.rows) {
        targets.get(shape)?.shape(shape);
        targets.get(shape)?.count(shape, rows);
      }
      if (!isOne) await this.#sort(run, inMemory, targets);
      else if (first !== null && first !== undefined) await this.#copy(run, inMemory, first);
    }
    await this.clear();
  }

  /** Makes it ready for another transaction. */
  async clear(): Promise<void> {
    this.#runs = [];
    this.#frames.take(false);
    this.#forgetMemory();
    this.#spilledBytes = 0;
    await this.#pieces?.clear();
    this.relations.clear();
    const [file, reader] = [this.#file, this.#reader];
    this.#file = null;
    this.#reader = null;
    await reader?.close();
    if (file === null) return;
    await file.close();
    await worded("remove", this.#path, this.#disk.unlink(this.#path));
  }

  #forgetMemory(): void {
    this.#memoryFrames = 0;
    this.#lastShape = null;
    this.#lastRows = 0;
    if (this.#memoryRows.size > 0) this.#memoryRows = new Map();
  }

  #extend(key: Run["key"], start: number, shape: SegmentShape, rows: number, frames: number): void {
    let run = this.#runs.at(-1);
    if (run === undefined || run.key !== key || run.end !== start) {
      this.#settle();
      run = { key, start, end: start, frames: 0, rows: new Map() };
      this.#runs.push(run);
    }
    run.end = this.#spilledBytes + this.#frames.sizeBytes;
    run.frames += frames;
    this.#memoryFrames += frames;
    if (shape !== this.#lastShape) {
      this.#settle();
      this.#lastShape = shape;
    }
    this.#lastRows += rows;
  }

  /** Counts what was not counted, in the run that is the last. */
  #settle(): void {
    const [shape, rows, run] = [this.#lastShape, this.#lastRows, this.#runs.at(-1)];
    this.#lastShape = null;
    this.#lastRows = 0;
    if (shape === null || run === undefined) return;
    run.rows.set(shape, (run.rows.get(shape) ?? 0) + rows);
    if (this.#pieces === null) return;
    this.#memoryRows.set(shape, (this.#memoryRows.get(shape) ?? 0) + rows);
  }

  /** All of a run to one target. */
  async #copy(run: Run, inMemory: Uint8Array, target: SpoolTarget): Promise<void> {
    for (let at = run.start; at < run.end; ) {
      const bytes = await this.#read(at, Math.min(run.end, at + READ_BYTES), inMemory);
      at += bytes.length;
      target.frames(bytes, at === run.end ? run.frames : 0);
      await target.flush();
    }
  }

  /** Each frame of a run to the target of its shape. */
  async #sort(
    run: Run,
    inMemory: Uint8Array,
    targets: ReadonlyMap<SegmentShape, SpoolTarget | null>,
  ): Promise<void> {
    const byNumber = new Map([...targets].map(([shape, target]) => [shape.shape, target]));
    const cursor = new FrameCursor(crc32);
    let wanted = READ_BYTES;
    for (let at = run.start; at < run.end; ) {
      const bytes = await this.#read(at, Math.min(run.end, at + wanted), inMemory);
      let from = 0;
      while (cursor.read(bytes, from, bytes.length)) {
        const target = byNumber.get(shapeNumber(bytes, cursor.start));
        target?.frames(bytes.subarray(from, cursor.next), 1);
        await target?.flush();
        from = cursor.next;
      }
      wanted = from === 0 ? 2 * wanted : READ_BYTES;
      at += from;
    }
  }

  async #read(start: number, end: number, inMemory: Uint8Array): Promise<Uint8Array> {
    const own = this.#spilledBytes;
    if (start >= own) return inMemory.subarray(start - own, end - own);
    if (this.#pieces !== null) return await this.#pieces.read(start, Math.min(end, own));
    const path = this.#path;
    this.#reader ??= await worded("open", path, this.#disk.open(path));
    const bytes = new Uint8Array(Math.min(end, own) - start);
    const read = await worded("read", path, this.#reader.read(bytes, start));
    if (read === 0) throw new LakeError("io", `${path} is shorter than what was written to it`);
    return bytes.subarray(0, read);
  }
}
