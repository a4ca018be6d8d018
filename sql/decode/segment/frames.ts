/** The frames of a segment on disk, read through a window that grows for a frame that is larger. */

import { closeSync, openSync, readSync } from "node:fs";
import { crc32 } from "node:zlib";
import { LakeError } from "../../../core/base/errors.ts";
import { FrameCursor, isSegment, SEGMENT_MAGIC } from "../../../core/ingest/segment.ts";
import { Unreadable } from "../unreadable.ts";

/** A frame as it lies in the window: valid until the next one is asked for, in the same object. */
export interface Frame {
  /** As in FRAME. */
  kind: number;
  bytes: Buffer;
  /** Where its payload is. */
  start: number;
  end: number;
  /** Of the frame, in the file. */
  at: number;
  /** Its check sum is wrong. */
  isDamaged: boolean;
}

const WINDOW_BYTES = 4 * 1024 * 1024;
/** Length and kind before a payload, the check sum behind it. docs/format.md, "Segments". */
const HEAD_BYTES = 5;
const TAIL_BYTES = 4;

const NO_KINDS: ReadonlySet<number> = new Set();

/**
 * The frames in their order; of kinds in `passed` nobody asks what is in them, and they count as whole. Throws
 * Unreadable where one cannot be told from the next.
 */
export function* framesOf(path: string, passed = NO_KINDS): Generator<Frame> {
  using window = new Window(path);
  if (!window.fill(SEGMENT_MAGIC.length) || !isSegment(window.bytes)) {
    throw new Unreadable("unreadable", "the bytes are not those of a segment");
  }
  window.at = SEGMENT_MAGIC.length;
  const cursor = new FrameCursor(crc32);
  const frame: Frame = { kind: -1, bytes: window.bytes, start: 0, end: 0, at: 0, isDamaged: false };
  for (;;) {
    const place = window.position;
    const isWhole = readFrame(cursor, window, frame, passed);
    if (!isWhole) {
      if (window.fill(cursor.next - window.at)) continue;
      if (window.left === 0) return;
      throw new Unreadable("unreadable", `the segment is cut short in the frame at byte ${place}`);
    }
    frame.at = place;
    window.at = frame.end + TAIL_BYTES;
    yield frame;
  }
}

/** False when it is not in the window as a whole. */
function readFrame(
  cursor: FrameCursor,
  window: Window,
  frame: Frame,
  passed: ReadonlySet<number>,
): boolean {
  const { bytes, at, until } = window;
  frame.bytes = bytes;
  frame.isDamaged = false;
  try {
    if (!cursor.read(bytes, at, until, passed)) return false;
    frame.kind = cursor.kind;
    frame.start = cursor.start;
    frame.end = cursor.end;
  } catch (thrown) {
    if (!(thrown instanceof LakeError) || cursor.next <= at + HEAD_BYTES) {
      throw new Unreadable("unreadable", `${String(thrown)} (byte ${window.position})`);
    }
    frame.isDamaged = true;
    frame.kind = bytes[at + HEAD_BYTES - 1] ?? -1;
    frame.start = at + HEAD_BYTES;
    frame.end = cursor.next - TAIL_BYTES;
  }
  return true;
}

class Window implements Disposable {
  readonly #file: number;
  bytes = Buffer.allocUnsafe(WINDOW_BYTES);
  /** Where the next frame begins. */
  at = 0;
  until = 0;
  #read = 0;

  constructor(path: string) {
    this.#file = openSync(path, "r");
  }

  get left(): number {
    return this.until - this.at;
  }

  /** Of what comes next, in the file. */
  get position(): number {
    return this.#read - this.left;
  }

  /** Makes so many bytes be there; false where the file ends before. */
  fill(byteCount: number): boolean {
    const { left } = this;
    const target =
      byteCount > this.bytes.length ? Buffer.allocUnsafe(byteCount + WINDOW_BYTES) : this.bytes;
    this.bytes.copy(target, 0, this.at, this.until);
    this.bytes = target;
    this.at = 0;
    this.until = left;
    while (this.until < target.length) {
      const room = target.length - this.until;
      const count = readSync(this.#file, target, this.until, room, this.#read);
      if (count === 0) break;
      this.until += count;
      this.#read += count;
    }
    return this.until >= byteCount;
  }

  [Symbol.dispose](): void {
    closeSync(this.#file);
  }
}
