/** Which batches of those that a broker hands over are kept: whole ones, of transactions that were not given up. */

import { gunzipSync, zstdDecompressSync } from "node:zlib";
import { type BatchHead, batchHead, RecordCursor } from "../../../core/ingest/record-batch.ts";
import { unpackWith } from "../../../core/ingest/record-codecs.ts";
import { crc32c } from "./crc32c.ts";

/** A transaction that was given up: its producer, and where its first record is. */
export interface Aborted {
  readonly producer: bigint;
  readonly firstOffset: bigint;
}

/** Batches that stand one behind the other. */
export interface KeptBatches {
  readonly bytes: Uint8Array;
  readonly firstOffset: bigint;
  /** Records in them that are meant. */
  readonly count: number;
  /** There are others, below the offset that was asked for. */
  readonly hasEarlier: boolean;
}

/** The bytes are not what a broker stores; `at` is the offset from which on nothing is known. */
export class BrokenBatch extends Error {
  readonly at: bigint;

  constructor(at: bigint, message: string) {
    super(message);
    this.at = at;
  }
}

const MAGIC = 2;
const ABORT_MARK = 0;

/**
 * Visits the batches that hold records from offset `from` on and are not of aborted transactions, in their order, as
 * many at once as stand together. Returns the offset to go on at. The aborted ones are those that came with the bytes,
 * in any order. A last batch that is cut is left for the next answer. Throws BrokenBatch.
 */
export function keptBatches(
  bytes: Uint8Array,
  from: bigint,
  aborted: readonly Aborted[],
  visit: (kept: KeptBatches) => void,
): bigint {
  const given = new GivenUp(aborted);
  let next = from;
  let run: { start: number; end: number; count: number; firstOffset: bigint } | null = null;
  const leave = (): void => {
    if (run === null) return;
    const { start, end, count, firstOffset } = run;
    visit({ bytes: bytes.subarray(start, end), firstOffset, count, hasEarlier: false });
    run = null;
  };
  for (let at = 0; ; ) {
    const head = headAt(bytes, at, next);
    if (head === null) break;
    checkBatch(bytes, head, next);
    const start = at;
    at = head.end;
    const { baseOffset, lastOffset, count } = head;
    const isKept = given.isKept(head, () => isAbort(bytes, start, head, next));
    if (!isKept || count <= 0 || lastOffset < from) leave();
    else if (baseOffset < from) {
      leave();
      const firstOffset = from;
      const meant = countFrom(bytes, start, head, from);
      const own = bytes.subarray(start, head.end);
      if (meant > 0) visit({ bytes: own, firstOffset, count: meant, hasEarlier: true });
    } else if (run === null) run = { start, end: at, count, firstOffset: baseOffset };
    else {
      run.end = at;
      run.count += count;
    }
    // Those that are no longer there count too: a log that is compacted has holes.
    if (lastOffset >= next) next = lastOffset + 1n;
  }
  leave();
  return next;
}

/** The offset behind all whole batches, none of them looked into. */
export function offsetBehind(bytes: Uint8Array, from: bigint): bigint {
  let next = from;
  try {
    for (let at = 0; ; ) {
      const head = batchHead(bytes, at);
      if (head === null) return next;
      if (head.lastOffset >= next) next = head.lastOffset + 1n;
      at = head.end;
    }
  } catch (thrown) {
    // Whoever looks into them says what is wrong.
    if (thrown instanceof RangeError) return next;
    throw thrown;
  }
}

/** Visits the records of batches that are kept. Throws BrokenBatch. */
export function visitRecords(
  { bytes, firstOffset }: Pick<KeptBatches, "bytes" | "firstOffset">,
  visit: (cursor: RecordCursor) => void,
): void {
  const cursor = new RecordCursor(UNPACK);
  for (let at = 0; ; ) {
    const head = headAt(bytes, at, firstOffset);
    if (head === null) return;
    orBroken(head.baseOffset, () => {
      cursor.begin(bytes, at, head.end);
      while (cursor.next()) if (cursor.offset >= firstOffset) visit(cursor);
    });
    at = head.end;
  }
}

const UNPACK = unpackWith(gunzipSync, zstdDecompressSync);

/** Which producers' records are of transactions that were given up, as far as the batches were gone through. */
class GivenUp {
  readonly #waiting: Aborted[];
  readonly #dead = new Set<bigint>();

  constructor(aborted: readonly Aborted[]) {
    // Brokers list them by where they were given up.
    this.#waiting = [...aborted].sort((a, b) => Number(a.firstOffset - b.firstOffset));
  }

  /** False too for what only marks the end of a transaction. */
  isKept(head: BatchHead, isAbortMark: () => boolean): boolean {
    const { lastOffset, producer, isControl, isTransactional } = head;
    const waiting = this.#waiting;
    for (let [one] = waiting; one !== undefined && one.firstOffset <= lastOffset; [one] = waiting) {
      this.#dead.add(one.producer);
      waiting.shift();
    }
    if (isControl) {
      if (isAbortMark()) this.#dead.delete(producer);
      return false;
    }
    return !isTransactional || !this.#dead.has(producer);
  }
}

function headAt(bytes: Uint8Array, at: number, next: bigint): BatchHead | null {
  return orBroken(next, () => batchHead(bytes, at), "");
}

function checkBatch(bytes: Uint8Array, head: BatchHead, at: bigint): void {
  const { magic, sum, summedFrom, end } = head;
  if (magic !== MAGIC) {
    throw new BrokenBatch(
      at,
      `a batch of version ${magic}, where brokers since 0.11 write ${MAGIC}`,
    );
  }
  if (crc32c(bytes.subarray(summedFrom, end)) !== sum) {
    throw new BrokenBatch(at, "the check sum of a batch is wrong");
  }
}

function isAbort(bytes: Uint8Array, start: number, { end }: BatchHead, at: bigint): boolean {
  return orBroken(at, () => {
    const cursor = new RecordCursor(UNPACK);
    cursor.begin(bytes, start, end);
    let isAbortMark = false;
    while (cursor.next()) {
      const { keyStart, keyEnd } = cursor;
      // A version, then what is marked.
      const kind = ((cursor.bytes[keyStart + 2] ?? 0) << 8) | (cursor.bytes[keyStart + 3] ?? 0);
      isAbortMark = keyStart >= 0 && keyEnd - keyStart >= 4 && kind === ABORT_MARK;
    }
    return isAbortMark;
  });
}

function countFrom(bytes: Uint8Array, start: number, { end }: BatchHead, from: bigint): number {
  let count = 0;
  visitRecords({ bytes: bytes.subarray(start, end), firstOffset: from }, () => count++);
  return count;
}

const BROKEN = "the records of a batch are broken: ";

function orBroken<T>(at: bigint, work: () => T, before = BROKEN): T {
  try {
    return work();
  } catch (thrown) {
    if (!(thrown instanceof RangeError)) throw thrown;
    throw new BrokenBatch(at, `${before}${thrown.message}`);
  }
}
