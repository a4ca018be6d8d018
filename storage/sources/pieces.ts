/**
 * A large transaction on disk before it is committed: written as the segments that it becomes, which lack nothing but
 * what it says when it is committed, so that nothing is copied then and whoever reads them may begin before.
 */

import { LakeError, worded } from "../../core/base/errors.ts";
import type { SegmentShape, SegmentTransaction } from "../../core/ingest/segment.ts";
import type { ComingFile } from "../../core/ingest/source.ts";
import type { Disk, DiskFile } from "../disk/disk.ts";
import { DISK_CONCURRENCY, mapBounded } from "../disk/durable.ts";
import type { SegmentFile, WrittenSegment } from "./segment-file.ts";

export interface PiecesWorld {
  readonly disk: Disk;
  /** A new one; so many frames of the transaction stand in those before it. */
  readonly open: (firstPlace: number) => SegmentFile;
  /** A piece grows no more until its transaction is committed. */
  readonly onPiece: (piece: ComingFile) => void;
  /** Pieces that were told of come to nothing. */
  readonly onDropped: (paths: readonly string[]) => void;
  /** What the first ones have at least. Default: 16 MiB. */
  readonly bytesMin?: number;
}

/** The first ones are small, so that little is left to be read at the end; later ones are a share of what there is. */
const PIECE_BYTES_MIN = 16 * 1024 * 1024;
const PIECE_BYTES_MAX = 64 * 1024 * 1024;
const PIECE_SHARE = 1 / 8;

/** Bytes that were added at once, and where they stand. */
interface Stretch {
  readonly start: number;
  readonly end: number;
  readonly file: SegmentFile;
  readonly at: number;
}

export class Pieces {
  readonly #world: PiecesWorld;
  #files: SegmentFile[] = [];
  #open: SegmentFile | null = null;
  #stretches: Stretch[] = [];
  #told: string[] = [];
  #frames = 0;
  #isTorn = false;
  #reader: { readonly path: string; readonly file: DiskFile } | null = null;

  constructor(world: PiecesWorld) {
    this.#world = world;
  }

  /** Bytes that were added. */
  get sizeBytes(): number {
    return this.#stretches.at(-1)?.end ?? 0;
  }

  /** True when they are many enough to be segments of their own, and all that is in them is meant. */
  get isWhole(): boolean {
    return this.#told.length > 0 && !this.#isTorn;
  }

  /** Frames that were laid out elsewhere, with the rows that they hold of each shape. */
  async add(
    rows: ReadonlyMap<SegmentShape, number>,
    bytes: Uint8Array,
    frames: number,
  ): Promise<void> {
    const file = this.#opened();
    for (const [shape, count] of rows) {
      file.shape(shape);
      file.count(shape, count);
    }
    const start = this.sizeBytes;
    this.#stretches.push({ start, end: start + bytes.length, file, at: file.sizeBytes });
    file.frames(bytes, frames);
    this.#frames += frames;
    await file.flush();
    const { bytesMin = PIECE_BYTES_MIN } = this.#world;
    const share = Math.min(this.sizeBytes * PIECE_SHARE, PIECE_BYTES_MAX);
    if (file.sizeBytes < Math.max(bytesMin, share)) return;
    await file.flushAll();
    this.#open = null;
    this.#told.push(file.path);
    if (this.#isTorn) return;
    this.#world.onPiece({ path: file.path, sizeBytes: file.sizeBytes, rows: file.rowCounts });
  }

  /** Some of what is in them is not meant: part of the transaction was rolled back. */
  tear(): void {
    if (this.#isTorn) return;
    this.#isTorn = true;
    this.#drop();
  }

  /** Of the bytes that were added, some of these: the first ones, at least one. */
  async read(start: number, end: number): Promise<Uint8Array> {
    const found = this.#stretches.find((one) => one.start <= start && start < one.end);
    if (found === undefined) throw gone();
    const { path } = found.file;
    if (found.file === this.#open) await found.file.flushAll();
    if (this.#reader?.path !== path) {
      await this.#reader?.file.close();
      this.#reader = null;
      this.#reader = { path, file: await worded("open", path, this.#world.disk.open(path)) };
    }
    const bytes = new Uint8Array(Math.min(end, found.end) - start);
    const at = found.at + (start - found.start);
    const read = await worded("read", path, this.#reader.file.read(bytes, at));
    if (read === 0) throw gone();
    return bytes.subarray(0, read);
  }

  /** All of them as segments of the transaction, whole and synced. */
  async seal(transaction: SegmentTransaction, to: string): Promise<readonly WrittenSegment[]> {
    const files = this.#files;
    await this.#closeReader();
    try {
      const written = await mapBounded(files, DISK_CONCURRENCY, (file) => {
        file.transaction(transaction);
        return file.seal(to);
      });
      this.#reset();
      return written;
    } catch (thrown) {
      await this.clear();
      throw thrown;
    }
  }

  /** Nothing is left of them. */
  async clear(): Promise<void> {
    await this.#closeReader();
    const files = this.#files;
    this.#drop();
    this.#reset();
    for (const file of files) await file.discard();
  }

  #opened(): SegmentFile {
    this.#open ??= this.#begun();
    return this.#open;
  }

  #begun(): SegmentFile {
    const file = this.#world.open(this.#frames);
    this.#files.push(file);
    return file;
  }

  #drop(): void {
    if (this.#told.length > 0) this.#world.onDropped(this.#told);
  }

  #reset(): void {
    this.#files = [];
    this.#open = null;
    this.#stretches = [];
    this.#told = [];
    this.#frames = 0;
    this.#isTorn = false;
  }

  async #closeReader(): Promise<void> {
    const reader = this.#reader;
    this.#reader = null;
    await reader?.file.close();
  }
}

function gone(): LakeError {
  return new LakeError("io", "a piece of a transaction is shorter than what was written to it");
}
