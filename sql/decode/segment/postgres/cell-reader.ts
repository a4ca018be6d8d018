/** Reads the values of one column, whichever of PostgreSQL's two forms each comes in. */

import { isUtf8 } from "node:buffer";
import type { WireType } from "../../../../core/ingest/wire-type.ts";
import type { Type } from "../../../../core/table/types.ts";
import { CELL, type CellReader, UnreadableCell } from "../cell.ts";
import { binaryText } from "./binary-text.ts";
import { exactText } from "./exact-text.ts";
import { typeName } from "./oids.ts";

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
