/** The text of single rows of a text file, whole, as they stand in it under the encoding that is asked for. */

import type { RowTexts, RowTextsRequest } from "../../core/engine.ts";
import type { WorkerContext } from "../worker/context.ts";
import { readerOf } from "./formats.ts";
import { prepare, withWorkFolder } from "./prepare.ts";

/** Rows that are not text under that encoding are not found; formats that are no text have none. */
export async function rowTexts(
  context: WorkerContext,
  request: RowTextsRequest,
): Promise<RowTexts> {
  const { files, read, dialect, positions, staging, limits } = request;
  const [file] = files;
  if (file === undefined) return NONE;
  context.announce(file.name);
  return withWorkFolder(staging, async (folder) => {
    const { decodedBytesMax } = limits;
    const options = { read, decodedBytesMax, folder, index: 0, known: [] };
    const prepared = await prepare(file, dialect, options);
    const reader = await readerOf(prepared.dialect.format);
    return reader.rowTexts?.(prepared, new Set(positions)) ?? NONE;
  });
}

const NONE: RowTexts = { header: null, texts: {} };
