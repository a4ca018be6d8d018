/** Rows of a binary log, and rows of answers. */

import { RowImage } from "../../../../core/ingest/binlog-row.ts";
import type { SegmentShape } from "../../../../core/ingest/segment.ts";
import type { CopiedRows, FeedDialect } from "../dialect.ts";
import { cellReader } from "./cell-reader.ts";
import { cellWriters } from "./cell-writer.ts";
import { Event } from "./event.ts";
import { Message } from "./message.ts";

class AnswerRows implements CopiedRows {
  readonly cells = new RowImage();

  read(bytes: Buffer, at: number, until: number, shape: SegmentShape | undefined): number {
    if (shape === undefined) throw new RangeError("the table that they are of is not known");
    return this.cells.readAnswer(bytes, at, until, shape.columns.length);
  }
}

export const MYSQL_DIALECT: FeedDialect = {
  message: () => new Message(),
  event: () => new Event(),
  copied: () => new AnswerRows(),
  cellReader,
  cellWriters,
};
