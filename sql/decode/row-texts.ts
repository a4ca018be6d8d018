/** The text of single rows of a text file, whole, as they stand in it under the encoding that is asked for. */

import type { RowTexts, RowTextsRequest } from "../../core/engine.ts";
import type { WorkerContext } from "../worker/context.ts";
import { csvShape } from "./csv/prepare.ts";
import { scanCsv } from "./csv/scan.ts";
import { LineCursor } from "./line-cursor.ts";
import { prepare } from "./prepare.ts";
import type { Prepared } from "./prepared.ts";
import { positionOf } from "./rejects.ts";
import { withWorkFolder } from "./work-folder.ts";

/** Rows that are not text under that encoding are not found; formats that are no text have none. */
export async function rowTexts(
  context: WorkerContext,
  request: RowTextsRequest,
): Promise<RowTexts> {
  const { files, read, dialect, positions, staging, limits } = request;
  const [file] = files;
  if (file === undefined) return { header: null, texts: {} };
  context.announce(file.name);
  return withWorkFolder(staging, async (folder) => {
    const { decodedBytesMax } = limits;
    const options = { read, decodedBytesMax, folder, index: 0, known: [] };
    const prepared = await prepare(file, dialect, options);
    const wanted = new Set(positions);
    switch (prepared.dialect.format) {
      case "csv":
        return csvTexts(prepared, wanted);
      case "json":
        return { header: null, texts: jsonTexts(prepared, wanted) };
      default:
        return { header: null, texts: {} };
    }
  });
}

function csvTexts(prepared: Prepared, wanted: ReadonlySet<string>): RowTexts {
  const shape = csvShape(prepared);
  const texts: Record<string, string> = {};
  // By position, where the file does not say them.
  let header: string | null = prepared.names.join(shape.delimiter);
  scanCsv(prepared.path, shape, (record) => {
    if (record.blank) return;
    const bytes = record.bytes.subarray(record.start, record.end);
    if (record.isHeader) {
      header = exactText(bytes);
      return;
    }
    const position = positionOf({ line: record.line + prepared.linesBefore, row: 0 });
    if (!wanted.has(position)) return;
    const text = exactText(bytes);
    if (text !== null) texts[position] = text;
  });
  return { header, texts };
}

function jsonTexts(prepared: Prepared, wanted: ReadonlySet<string>): Record<string, string> {
  const cursor = new LineCursor(prepared.path);
  const texts: Record<string, string> = {};
  try {
    while (cursor.next()) {
      const row = cursor.row + prepared.rowsBefore;
      const line = prepared.positions === "line" ? cursor.number + prepared.linesBefore : null;
      const position = positionOf({ line, row });
      if (!wanted.has(position)) continue;
      const text = exactText(cursor.line());
      if (text !== null) texts[position] = text;
    }
  } finally {
    cursor.close();
  }
  return texts;
}

/** Null for bytes that are no text. */
function exactText(bytes: Uint8Array): string | null {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return null;
  }
}
