/**
 * A small text as a file of its table, by what is written here alone: no engine reads a byte of it, so the process may
 * be kept. Only where each row is as usual; everything else is for `decode`.
 */

import type { Decoded, DecodeRequest } from "../../core/engine.ts";
import type { WorkerContext } from "../worker/context.ts";
import { foldersOf } from "./folders.ts";
import { formatOfBytes, readerOf } from "./formats.ts";
import { knownPartitions } from "./group-write.ts";
import { DataTarget, type WholeFile } from "./made/whole-file.ts";
import { compressionOf } from "./packing/compression.ts";
import { prepare } from "./prepare.ts";
import { type Prepared, readHead } from "./prepared.ts";
import { textEnd } from "./text-end.ts";
import { Unreadable } from "./unreadable.ts";

/** As `decode` would; null where it has to, and what is then left in the staging folder is of no use. */
export async function decodeWholeText(
  context: WorkerContext,
  request: DecodeRequest,
): Promise<Decoded | null> {
  const [file, ...others] = request.files;
  if (file === undefined || others.length > 0 || !isUsual(request)) return null;
  context.announce(file.name);
  try {
    return await decodeUsual(request);
  } catch (thrown) {
    // Said once more, and of the file, by whoever reads it next.
    if (thrown instanceof Unreadable) return null;
    throw thrown;
  }
}

/** Nothing is asked that is worked out row by row. */
function isUsual({ files, fixes, tellRejects, countsValues, read }: DecodeRequest): boolean {
  const [file] = files;
  if (file === undefined || fixes.length > 0 || tellRejects === true || countsValues === true) {
    return false;
  }
  const isWhole = file.toByte === undefined && file.isAside !== true && file.landsAs === undefined;
  return isWhole && foldersOf(file.name, read).length === 0;
}

async function decodeUsual(request: DecodeRequest): Promise<Decoded | null> {
  const partition = knownPartitions(request);
  const [file] = request.files;
  if (file === undefined || partition === null || !isPlain(file.path)) return null;
  const { read, dialects, staging, limits } = request;
  const known = request.columns.map((column) => column.source);
  const options = { read, decodedBytesMax: limits.decodedBytesMax, folder: staging, index: 0 };
  const prepared = await prepare(file, dialects[0] ?? null, { ...options, known });
  const reader = await readerOf(prepared.dialect.format);
  if (reader.writeWhole === undefined || !isPlainText(prepared)) return null;
  const target = new DataTarget(
    request,
    `${staging}/data-0.parquet`,
    file.name,
    prepared.rowsBefore,
  );
  const whole = await reader.writeWhole(prepared, request, target);
  if (whole === null || whole.rows === 0) {
    target.discard();
    return null;
  }
  const counts = { rowsIn: whole.rows, rowsLanded: whole.rows, rowsQuarantined: 0 };
  const end = textEnd(prepared, reader, whole.rows, [], false);
  const { dialect } = prepared;
  const decoded = { name: file.name, dialect, ...counts, fault: null, misfits: [], end };
  return { files: [decoded], data: stagedOf(whole, partition), rejects: null, examples: [] };
}

/** By its first bytes: no packing, and no format that is not text. */
function isPlain(path: string): boolean {
  const head = readHead(path);
  return compressionOf(head) === "none" && formatOfBytes(head) === null;
}

function isPlainText({ dialect, spelling, remark }: Prepared): boolean {
  const isUtf8 = dialect.encoding === "utf-8" && dialect.compression === "none";
  return isUtf8 && spelling === null && remark === null;
}

function stagedOf(
  { paths, rows, sizeBytes }: WholeFile,
  partition: NonNullable<ReturnType<typeof knownPartitions>>,
): Decoded["data"] {
  const data = { rows: BigInt(rows), sizeBytes: BigInt(sizeBytes), partition };
  return { files: paths.map((path) => ({ path, ...data })), rows: BigInt(rows) };
}
