/** Reads the values of one column, whichever of the two forms each comes in. */

import type { WireType } from "../../../../core/ingest/wire-type.ts";
import { CELL, type CellReader, UnreadableCell } from "../cell.ts";
import { NoText, valueReaders, wordOf } from "./values.ts";

/** Reads the column `name`; what its type does not hold stays the text that it is. */
export function cellReader(name: string, wire: WireType): CellReader {
  const { text, binary } = valueReaders(wire);
  return (bytes, cells, index) => {
    const kind = cells.kind(index);
    if (kind === CELL.null || kind === CELL.unchanged) return null;
    const read = kind === CELL.text ? text : binary;
    try {
      return read(bytes, cells.start(index), cells.end(index));
    } catch (thrown) {
      if (thrown instanceof NoText) {
        throw new UnreadableCell("encoding", name, `${name} holds ${thrown.message}`);
      }
      if (!(thrown instanceof Error)) throw thrown;
      throw new UnreadableCell("parse", name, `${name}: no ${wordOf(wire)}: ${thrown.message}`);
    }
  };
}
