/** The rows of an event of the binary log, as a segment has it. */

import { inflateSync } from "node:zlib";
import {
  type ImageLayout,
  imageLayout,
  type RowImage,
} from "../../../../core/ingest/binlog-row.ts";
import { EventRows, type RowsOp } from "../../../../core/ingest/binlog-rows.ts";
import type { SegmentShape } from "../../../../core/ingest/segment.ts";
import type { FeedEvent } from "../dialect.ts";

const NO_BYTES = Buffer.alloc(0);

/** How the log lays out the rows of a shape. */
export function layoutOf({ columns }: SegmentShape): ImageLayout {
  return imageLayout(columns.map(({ wire }) => ({ type: wire.oid, meta: wire.typmod })));
}

export class Event implements FeedEvent {
  readonly #rows = new EventRows<Buffer>((bytes, length) =>
    inflateSync(bytes, { maxOutputLength: Math.max(1, length) }),
  );
  /** Columns that are not in an image did not change. */
  readonly isWhole = true;
  #shape: SegmentShape | null = null;
  #layout: ImageLayout = new Int32Array();

  get op(): RowsOp {
    return this.#rows.op;
  }

  get bytes(): Buffer {
    return this.#rows.bytes ?? NO_BYTES;
  }

  get after(): RowImage {
    return this.#rows.after;
  }

  get before(): RowImage {
    return this.#rows.before;
  }

  get hasBefore(): boolean {
    return this.#rows.op !== "c";
  }

  open(bytes: Buffer, from: number, until: number, shape: SegmentShape): void {
    this.#rows.open(bytes, from, until, this.#layoutOf(shape));
  }

  next(): boolean {
    return this.#rows.next();
  }

  count(bytes: Buffer, from: number, until: number, shape: SegmentShape): number {
    return this.#rows.count(bytes, from, until, this.#layoutOf(shape));
  }

  #layoutOf(shape: SegmentShape): ImageLayout {
    if (this.#shape !== shape) this.#layout = layoutOf(shape);
    this.#shape = shape;
    return this.#layout;
  }
}
