/** Messages of PostgreSQL's logical replication, and rows of its binary COPY. */

import type { SegmentShape } from "../../../../core/ingest/segment.ts";
import { CELL } from "../cell.ts";
import type { CopiedRows, FeedDialect } from "../dialect.ts";
import { cellReader } from "./cell-reader.ts";
import { cellWriters } from "./cell-writer.ts";
import { Cells } from "./cells.ts";
import { Message } from "./message.ts";

class CopyRows implements CopiedRows {
  readonly cells = new Cells();
  #shape: SegmentShape | undefined;
  #kinds: readonly number[] = [];

  read(bytes: Buffer, at: number, until: number, shape: SegmentShape | undefined): number {
    if (shape !== this.#shape) {
      this.#shape = shape;
      const columns = shape?.columns ?? [];
      this.#kinds = columns.map(({ binary }) => (binary ? CELL.binary : CELL.text));
    }
    return this.cells.readCopied(bytes, at, until, this.#kinds);
  }
}

export const POSTGRES_DIALECT: FeedDialect = {
  message: () => new Message(),
  event: () => null,
  copied: () => new CopyRows(),
  cellReader,
  cellWriters,
};
