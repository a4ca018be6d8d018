/** A row of the binary log as a segment has it: bitmaps of the columns that are there, then the images. */

import { bitmapBytes, type ImageLayout, RowImage } from "../../../../core/ingest/binlog-row.ts";
import type { SegmentShape } from "../../../../core/ingest/segment.ts";
import type { FeedMessage, MessageOp } from "../dialect.ts";
import { layoutOf } from "./event.ts";

const OPS: ReadonlyMap<number, MessageOp> = new Map([
  [0x49, "c"],
  [0x55, "u"],
  [0x44, "d"],
  [0x54, "t"],
]);

/** A message taken apart; used again for the next one. */
export class Message implements FeedMessage {
  op: MessageOp = "c";
  bytes: Buffer = Buffer.alloc(0);
  readonly after = new RowImage();
  readonly before = new RowImage();
  /** Columns that are not in an image did not change. */
  readonly isWhole = true;
  hasBefore = false;
  #shape: SegmentShape | null = null;
  #layout: ImageLayout = new Int32Array();

  read(bytes: Buffer, from: number, until: number, shape: SegmentShape | undefined): void {
    this.after.clear();
    this.before.clear();
    this.hasBefore = false;
    this.bytes = bytes;
    const op = OPS.get(bytes[from] ?? 0);
    if (op === undefined) throw new RangeError(`a row of type ${bytes[from]}`);
    this.op = op;
    if (op === "t" || shape === undefined) return;
    const layout = this.#layoutOf(shape);
    const width = bitmapBytes(layout.length);
    this.hasBefore = op !== "c";
    const present = from + 1;
    let at = present + (op === "u" ? 2 * width : width);
    if (op !== "c") at = this.before.read(bytes, at, until, layout, bytes, present);
    const second = op === "u" ? present + width : present;
    if (op !== "d") at = this.after.read(bytes, at, until, layout, bytes, second);
    if (at !== until) throw new RangeError(`${until - at} bytes behind a row`);
  }

  #layoutOf(shape: SegmentShape): ImageLayout {
    if (this.#shape === shape) return this.#layout;
    this.#shape = shape;
    this.#layout = layoutOf(shape);
    return this.#layout;
  }
}
