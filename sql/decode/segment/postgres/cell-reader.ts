/** Reads the values of one column, whichever of PostgreSQL's two forms each comes in. */

import { isUtf8 } from "node:buffer";
import type { QuarantineReason } from "../../../../core/ingest/quarantine.ts";
import type { WireType } from "../../../../core/ingest/segment.ts";
import type { Type } from "../../../../core/table/types.ts";
import type { Exact } from "../../lossless/exact-value.ts";
import { binaryText } from "./binary-text.ts";
import { CELL, type Cells } from "./cells.ts";
import { exactText } from "./exact-text.ts";
import { typeName } from "./oids.ts";

/** A value that cannot be read, and with it its row. */
export class UnreadableCell extends Error {
  readonly reason: QuarantineReason;
  readonly column: string;

  constructor(reason: QuarantineReason, column: string, message: string) {
    super(message);
    this.reason = reason;
    this.column = column;
  }
}

/** The value at `index` of the cells, which stand in `bytes`; null where none was sent. Throws UnreadableCell. */
export type CellReader = (bytes: Buffer, cells: Cells, index: number) => Exact;

const REPLACEMENT = "\ufffd";

/** Reads the column `name` for a table's column of `type`. */
export function cellReader(name: string, wire: WireType, type: Type): CellReader {
  const exact = exactText(wire, type);
  const text = binaryText(wire);
  return (bytes, cells, index) => {
    const kind = cells.kind(index);
    if (kind === CELL.null || kind === CELL.unchanged) return null;
    const start = cells.start(index);
    const end = cells.end(index);
    if (kind === CELL.text) {
      const value = bytes.toString("utf8", start, end);
      if (value.includes(REPLACEMENT)) checkUtf8(bytes.subarray(start, end), name);
      return exact(value);
    }
    return exact(textOfBinary(bytes.subarray(start, end), text, name, wire));
  };
}

function textOfBinary(
  bytes: Buffer,
  text: ReturnType<typeof binaryText>,
  name: string,
  wire: WireType,
): string {
  if (text === null) {
    const message = `${name}: binary values of the type ${typeName(wire)} are not read`;
    throw new UnreadableCell("type", name, message);
  }
  try {
    const value = text(bytes);
    if (value.includes(REPLACEMENT)) checkUtf8(bytes, name);
    return value;
  } catch (thrown) {
    if (!(thrown instanceof RangeError)) throw thrown;
    const message = `${name}: no ${typeName(wire)} in binary form: ${thrown.message}`;
    throw new UnreadableCell("parse", name, message);
  }
}

function checkUtf8(bytes: Buffer, name: string): void {
  if (isUtf8(bytes)) return;
  throw new UnreadableCell("encoding", name, `${name} holds bytes that are not UTF-8`);
}
