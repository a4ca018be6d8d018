/** Segments that are sealed and not taken yet: each leads from one position to the next. */

import { LakeError, worded } from "../../core/base/errors.ts";
import {
  isJsonObject,
  type Json,
  type JsonObject,
  listField,
  numberField,
  objectField,
  stringField,
} from "../../core/base/json.ts";
import type { Durable } from "../disk/durable.ts";
import type { WrittenSegment } from "./segment-file.ts";

/** A segment that is durable, but that no commit has named yet. */
export interface PendingSegment {
  readonly name: string;
  readonly sha256: string;
  readonly sizeBytes: number;
  /** Rows by `schema.table`. */
  readonly rows: Readonly<Record<string, number>>;
}

/** What the position of any such source holds. */
export interface QueuedPosition {
  /** To be landed before the source is read on, in order. */
  readonly pending: readonly PendingSegment[];
}

/** What was read between two positions: a segment, or nothing but a position that moved on. */
export interface SealedSegment {
  /** Null before the first. */
  readonly from: string | null;
  readonly to: string;
  /** Null when nothing came for these tables. */
  readonly file: QueuedFile | null;
  /** Those before it, where one transaction is in several. */
  readonly earlier?: readonly QueuedFile[];
  /** Rows of all of them by `schema.table`; of a table without any, 0. */
  readonly rows: Readonly<Record<string, number>>;
}

export interface QueuedFile {
  /** Unique in the source. */
  readonly name: string;
  /** Absolute; whole and synced. */
  readonly path: string;
  readonly sha256: string;
  readonly sizeBytes: number;
  /** As a segment has them. */
  readonly rows: Readonly<Record<string, number>>;
}

const HASH_CHARS = 16;

export class SegmentQueue<P extends QueuedPosition> {
  readonly #positionText: (position: P) => string;
  readonly #durable: Durable;
  /** Absolute. */
  readonly #folder: string;
  readonly #segments: { readonly segment: SealedSegment; readonly bytes: number }[] = [];
  #text: string | null;
  /** Behind all that was ever put in. */
  position: P;
  /** Bytes of what the stream brought; rows that were there already are on disk however many they are. */
  streamedBytes = 0;

  constructor(
    where: {
      readonly durable: Durable;
      readonly folder: string;
      readonly positionText: (position: P) => string;
    },
    position: P,
    text: string | null,
  ) {
    this.#durable = where.durable;
    this.#folder = where.folder;
    this.#positionText = where.positionText;
    this.#text = text;
    this.position = position;
  }

  get isEmpty(): boolean {
    return this.#segments.length === 0;
  }

  shift(): SealedSegment | undefined {
    const first = this.#segments.shift();
    this.streamedBytes -= first?.bytes ?? 0;
    return first?.segment;
  }

  /** The position moves on by itself. */
  move(position: P): void {
    this.#push(position, [], 0);
  }

  /** What the stream brought: one segment, or those that one transaction is in. */
  push(position: P, name: string, ...written: readonly WrittenSegment[]): void {
    const named = (at: number): string => (at === 0 ? name : `${name}-${at + 1}`);
    const files = written.map((one, at) => ({ name: named(at), ...one }));
    const sizeBytes = files.reduce((sum, one) => sum + one.sizeBytes, 0);
    this.#push(position, files, sizeBytes);
  }

  /**
   * Segments that belong together, with a position at which all of them are whole: it names those that were not
   * committed yet, so that they are found again. They get the names by which it knows them.
   */
  async pushTogether(
    position: P,
    place: string,
    segments: readonly WrittenSegment[],
  ): Promise<void> {
    const pending: PendingSegment[] = [];
    for (const { path, sha256, sizeBytes, rows } of segments) {
      const to = `${this.#folder}/${sha256}`;
      await worded("rename a file to", to, this.#durable.disk.rename(path, to));
      pending.push({ name: `${place}-${sha256.slice(0, HASH_CHARS)}`, sha256, sizeBytes, rows });
    }
    await this.#durable.syncFolders([this.#folder]);
    if (pending.length === 0) return this.move(position);
    await this.#pushPending({ ...position, pending: [...position.pending, ...pending] }, pending);
  }

  /** Segments that an earlier reader left, which the position names. */
  async pushLeft(): Promise<void> {
    await this.#pushPending(this.position, this.position.pending);
  }

  async #pushPending(position: P, segments: readonly PendingSegment[]): Promise<void> {
    let left = position.pending;
    for (const segment of segments) {
      left = left.filter(({ sha256 }) => sha256 !== segment.sha256);
      const { name, sha256, sizeBytes, rows } = segment;
      const file = { name, path: await this.#pathOf(segment), sha256, sizeBytes, rows };
      this.#push({ ...position, pending: left }, [file], 0);
    }
  }

  /** One that was about to be committed has its name among the originals. */
  async #pathOf({ sha256, sizeBytes }: PendingSegment): Promise<string> {
    const kept = `${this.#durable.root}/originals/${sha256.slice(0, 2)}/${sha256}`;
    for (const path of [`${this.#folder}/${sha256}`, kept]) {
      const stat = await worded("read", path, this.#durable.disk.stat(path));
      if (stat?.sizeBytes === sizeBytes) return path;
    }
    throw new LakeError("corrupt", `a segment that was not landed yet is gone: ${sha256}`, {
      hint: "restore it from a copy of the lake, or read the tables anew",
      scope: "source",
    });
  }

  #push(position: P, files: readonly QueuedFile[], bytes: number): void {
    const to = this.#positionText(position);
    const file = files.at(-1) ?? null;
    const earlier = files.length > 1 ? { earlier: files.slice(0, -1) } : {};
    const segment = { from: this.#text, to, file, ...earlier, rows: sumOf(files) };
    this.#segments.push({ segment, bytes });
    this.streamedBytes += bytes;
    this.position = position;
    this.#text = to;
  }
}

/** `pending` of a position as its text has it. */
export function pendingJson({ pending }: QueuedPosition): Json {
  return pending.map((segment) => ({ ...segment }));
}

/** Reads what `pendingJson` wrote. Throws `corrupt`. */
export function readPending(position: JsonObject): readonly PendingSegment[] {
  return listField(position, "pending").map((segment) => {
    const fields = isJsonObject(segment) ? segment : {};
    const rows = objectField(fields, "rows");
    return {
      name: stringField(fields, "name"),
      sha256: stringField(fields, "sha256"),
      sizeBytes: numberField(fields, "sizeBytes"),
      rows: Object.fromEntries(Object.keys(rows).map((name) => [name, numberField(rows, name)])),
    };
  });
}

function sumOf(files: readonly QueuedFile[]): Readonly<Record<string, number>> {
  const sums = new Map<string, number>();
  for (const { rows } of files) {
    for (const [table, count] of Object.entries(rows)) {
      sums.set(table, (sums.get(table) ?? 0) + count);
    }
  }
  return Object.fromEntries(sums);
}
