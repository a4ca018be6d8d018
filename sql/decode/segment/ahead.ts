/**
 * Rows of segments of which the ends are missing, decoded while their transaction comes: what becomes of them is said
 * when it is committed. A process keeps what it has decoded; nothing of it is named by anybody until then.
 */

import { closeSync, openSync, readSync, statSync } from "node:fs";
import { crc32 } from "node:zlib";
import { LakeError } from "../../../core/base/errors.ts";
import type { DecodeRequest } from "../../../core/engine.ts";
import {
  FRAME,
  FrameCursor,
  frameJson,
  readEnd,
  readTransaction,
  type SegmentEnd,
} from "../../../core/ingest/segment.ts";
import type { WorkerContext } from "../../worker/context.ts";
import { AheadFile } from "../made/ahead-file.ts";
import { DataTarget, type WholeFile, type WholeTarget } from "../made/whole-file.ts";
import { Unreadable } from "../unreadable.ts";
import { FeedColumns } from "./feed-columns.ts";
import { type AheadRows, lateLeaves, lateValues, writeAhead } from "./feed-parts.ts";
import { planTable, type TablePlan } from "./table-plan.ts";

/** What was decoded of one table in one segment. */
interface Ahead {
  readonly plan: TablePlan;
  readonly rows: AheadRows;
  /** Bytes of the segment then: what stands behind them is its end. */
  readonly sizeBytes: number;
  /** The names and types that rows were written by, as a request has them. */
  readonly terms: Terms;
}

type Terms = Pick<DecodeRequest, "schema" | "columns" | "read">;

/** Files that are open at once: what comes beyond them is decoded when it is asked for. */
const FILES_MAX = 256;
/** A segment's end is the transaction and one frame more. */
const TAIL_BYTES_MAX = 4 * 1024 * 1024;

const KEPT = new Map<string, Ahead>();

/** Decodes the one file of a request, of which the end is missing. False where that is left for later. */
export async function decodeAhead(request: DecodeRequest): Promise<boolean> {
  const [file] = request.files;
  const { table = null } = request.read;
  if (file?.coming === undefined || KEPT.size >= FILES_MAX) return false;
  const plan = planTable(file.path, table, file.coming);
  const columns = FeedColumns.of(plan, request, "zstd");
  if (columns === null || plan.late === null) return false;
  const late = new Set(lateLeaves(columns).keys());
  const target = new AheadFile(request.schema, `${request.staging}/ahead.parquet`, late);
  const rows = await writeAhead(file.path, plan, columns, target);
  // The columns of a piece are large, and outside of what the runtime counts: the next piece has its own.
  Bun.gc(true);
  if (rows === null) return false;
  const { path, sizeBytes } = file;
  KEPT.set(keyOf(path, table), { plan, rows, sizeBytes, terms: termsOf(request) });
  return true;
}

/** What a segment says of its table: of one that was decoded, only its end is read. Throws Unreadable. */
export function planOf(
  path: string,
  table: string | null,
  coming: SegmentEnd["rows"] | null,
): TablePlan {
  const ahead = KEPT.get(keyOf(path, table));
  const tail = ahead === undefined ? null : tailOf(path, ahead.sizeBytes);
  if (ahead === undefined || tail === null || ahead.plan.late === null) {
    return planTable(path, table, coming);
  }
  const late = { ...ahead.plan.late, transaction: tail.transaction };
  return { ...ahead.plan, late, rowCount: tail.end.rows[ahead.plan.table] ?? 0 };
}

/** What was decoded of a segment as a file of the table; null where nothing was, or by other terms. */
export async function takeAhead(
  path: string,
  plan: TablePlan,
  request: DecodeRequest,
  target: WholeTarget,
): Promise<WholeFile | null> {
  const key = keyOf(path, request.read.table ?? null);
  const ahead = KEPT.get(key);
  if (ahead === undefined) return null;
  KEPT.delete(key);
  const transaction = plan.late?.transaction ?? null;
  const columns = FeedColumns.of(plan, request, "zstd");
  const isMeant =
    target instanceof DataTarget &&
    columns !== null &&
    transaction !== null &&
    plan.rowCount === ahead.plan.rowCount &&
    Bun.deepEquals(ahead.terms, termsOf(request));
  if (!isMeant) {
    ahead.rows.file.discard();
    return null;
  }
  return await target.takeOver(
    ahead.rows.file,
    lateValues(columns, ahead.rows.places, transaction),
  );
}

/** Nothing will come of these segments. */
export function forgetAhead(paths: readonly string[]): void {
  for (const [key, { rows }] of KEPT) {
    if (!paths.some((path) => key.startsWith(`${path}\0`))) continue;
    KEPT.delete(key);
    rows.file.discard();
  }
}

function keyOf(path: string, table: string | null): string {
  return `${path}\0${table ?? ""}`;
}

function termsOf({ schema, columns, read }: DecodeRequest): Terms {
  return { schema, columns, read };
}

/** What stands behind the rows; null where it is not whole. */
function tailOf(path: string, from: number) {
  const { size } = statSync(path);
  if (size <= from || size - from > TAIL_BYTES_MAX) return null;
  const bytes = Buffer.alloc(size - from);
  const file = openSync(path, "r");
  try {
    for (let at = 0, read = -1; read !== 0 && at < bytes.length; at += read) {
      read = readSync(file, bytes, at, bytes.length - at, from + at);
    }
  } finally {
    closeSync(file);
  }
  const cursor = new FrameCursor(crc32);
  const payload = (at: number, kind: number) => {
    const isThere = cursor.read(bytes, at, bytes.length) && cursor.kind === kind;
    return isThere ? frameJson(bytes.subarray(cursor.start, cursor.end)) : null;
  };
  const transaction = payload(0, FRAME.transaction);
  const end = transaction === null ? null : payload(cursor.next, FRAME.end);
  if (transaction === null || end === null || cursor.next !== bytes.length) return null;
  return { transaction: readTransaction(transaction), end: readEnd(end) };
}

/** As a request of the engine. */
export async function takeEarly(_context: WorkerContext, request: DecodeRequest): Promise<boolean> {
  try {
    return await decodeAhead(request);
  } catch (thrown) {
    // Whoever reads it as a whole says what is wrong with it.
    if (thrown instanceof Unreadable || thrown instanceof LakeError) return false;
    throw thrown;
  }
}

export async function forgetEarly(
  _context: WorkerContext,
  { paths }: { readonly paths: readonly string[] },
): Promise<void> {
  forgetAhead(paths);
}
