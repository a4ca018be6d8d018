/** The text of single rows of files, whole, as they stand in them under the encoding that is asked for. */

import type { AskedFile, RowTexts, RowTextsRequest } from "../../core/engine.ts";
import type { WorkerContext } from "../worker/context.ts";
import type { FileTexts } from "./format.ts";
import { readerOf } from "./formats.ts";
import { prepare } from "./prepare.ts";
import { Unreadable } from "./unreadable.ts";

/**
 * Rows that are not text under that encoding are not found; formats that are no text have none. Where fields are set,
 * what is kept of such rows stands for them. Throws `usage` and `sql` for what cannot be set in any row.
 */
export async function rowTexts(
  context: WorkerContext,
  request: RowTextsRequest,
): Promise<RowTexts> {
  const found: { readonly file: AskedFile; readonly texts: FileTexts }[] = [];
  for (const [index, file] of request.files.entries()) {
    context.announce(file.name);
    found.push({ file, texts: await textsOf(request, file, index) });
  }
  if (request.set === null) {
    return {
      files: found.map(({ file, texts }) => ({ name: file.name, texts: texts.texts, unset: {} })),
    };
  }
  const { setFields } = await import("./set-fields.ts");
  return { files: await setFields(context, request, request.set, found) };
}

async function textsOf(
  { read, staging, limits }: RowTextsRequest,
  file: AskedFile,
  index: number,
): Promise<FileTexts> {
  const { decodedBytesMax } = limits;
  const options = { read, decodedBytesMax, folder: staging, index, known: [] };
  try {
    const prepared = await prepare(file, file.dialect, options);
    const reader = await readerOf(prepared.dialect.format);
    const positions = new Set(file.rows.map(({ position }) => position));
    return reader.rowTexts?.(prepared, positions) ?? NONE;
  } catch (thrown) {
    if (thrown instanceof Unreadable) return NONE;
    throw thrown;
  }
}

const NONE: FileTexts = { form: { kind: "json" }, texts: {} };
