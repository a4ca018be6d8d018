/** Rows of quarantine tables for those who take them up: chosen by anybody's SQL, handed over in bounded parts. */

import { LakeError } from "../../core/base/errors.ts";
import type { AsidePage, AsidePlace, AsideRequest, AsideRow } from "../../core/engine.ts";
import { ALL_HIDDEN, pathsOf, scanSql } from "../bind/scan.ts";
import type { DuckDB } from "../duckdb/duckdb.ts";
import { parseExpression } from "../syntax/ast.ts";
import { quoteLiteral } from "../syntax/quote.ts";
import type { WorkerContext } from "../worker/context.ts";

/** What a row is found again by, in the order of the pages. */
const PLACE = `"_batch", file, coalesce(line, 0), id`;
/** A sha256 in hex. */
const ID_CHARS = 64;
const HINT =
  "columns: id, source, file, position, line, column_name, reason, message, raw; " +
  "a text stands in single quotes";

/** The next rows behind `after`. Throws `usage` for a condition that is none, or that fails on a row. */
export async function aside(context: WorkerContext, request: AsideRequest): Promise<AsidePage> {
  const { scan, where, rowsMax, charsMax, threads, timezone } = request;
  const allowedPaths = pathsOf(scan);
  const db = await context.open({ allowedPaths, allowedFolders: [], threads, timezone });
  if (where !== null) await checkCondition(db, where);
  const rows = await scanSql(db, scan, { hidden: ALL_HIDDEN, positions: false });
  // One more tells whether there are others.
  const sql = `SELECT * FROM (SELECT id, source, file, position, coalesce(line, 0) AS line, column_name,
        reason, message, raw, "_batch" AS batch FROM (${rows}) AS quarantine
      WHERE ${conditionsOf(request).join(" AND ")} ORDER BY ${PLACE} LIMIT ${rowsMax + 1})
    WINDOW up AS (ORDER BY batch, file, line, id ROWS UNBOUNDED PRECEDING)
    QUALIFY sum(length(coalesce(raw, ''))) OVER up <= ${charsMax} OR row_number() OVER up = 1
    ORDER BY batch, file, line, id`;
  try {
    const found = (await db.rows(sql)).map(toRow);
    const isLast = found.length <= rowsMax && !(await hasMore(db, rows, request, found.at(-1)));
    return { rows: found.slice(0, rowsMax), isLast };
  } catch (thrown) {
    throw where === null ? thrown : failedOn(where, thrown);
  }
}

function conditionsOf({ ids, reason, where, after }: AsideRequest): string[] {
  const whole = ids.filter((id) => id.length >= ID_CHARS);
  const any = ids
    .filter((id) => id.length < ID_CHARS)
    .map((id) => `starts_with(id, ${quoteLiteral(id)})`);
  if (whole.length > 0) any.push(`id IN (${whole.map((id) => quoteLiteral(id)).join(", ")})`);
  return [
    "id IS NOT NULL",
    ...(any.length === 0 ? [] : [`(${any.join(" OR ")})`]),
    ...(reason === null ? [] : [`reason = ${quoteLiteral(reason)}`]),
    ...(after === null ? [] : [behind(after)]),
    ...(where === null ? [] : [`(${where}\n)`]),
  ];
}

function behind({ batch, file, line, id }: AsidePlace): string {
  const [b, f, i] = [quoteLiteral(batch), quoteLiteral(file), quoteLiteral(id)];
  return `("_batch" > ${b} OR ("_batch" = ${b} AND (file > ${f} OR (file = ${f}
    AND (coalesce(line, 0) > ${line} OR (coalesce(line, 0) = ${line} AND id > ${i}))))))`;
}

/** Whether the texts of more rows were too many. */
async function hasMore(
  db: DuckDB,
  rows: string,
  request: AsideRequest,
  last: AsideRow | undefined,
): Promise<boolean> {
  if (last === undefined) return false;
  const where = conditionsOf({ ...request, after: last }).join(" AND ");
  const sql = `SELECT 1 AS one FROM (${rows}) AS quarantine WHERE ${where} LIMIT 1`;
  return (await db.rows(sql)).length > 0;
}

function toRow(row: Readonly<Record<string, unknown>>): AsideRow {
  const text = (name: string): string => String(row[name] ?? "");
  const orNull = (name: string): string | null => (row[name] === null ? null : text(name));
  return {
    id: text("id"),
    source: text("source"),
    file: text("file"),
    position: text("position"),
    line: Number(row.line ?? 0),
    column: orNull("column_name"),
    reason: text("reason"),
    message: text("message"),
    raw: orNull("raw"),
    batch: text("batch"),
  };
}

async function checkCondition(db: DuckDB, where: string): Promise<void> {
  try {
    await parseExpression(db, where);
  } catch (thrown) {
    throw failedOn(where, thrown);
  }
}

function failedOn(where: string, thrown: unknown): unknown {
  if (!(thrown instanceof LakeError) || thrown.code === "io") return thrown;
  const isName = /Referenced column "([^"]*)" not found/.exec(thrown.message)?.[1];
  const message = isName === undefined ? thrown.message : `there is no column "${isName}"`;
  return new LakeError("usage", `--where ${where}: ${message}`, { hint: HINT, cause: thrown });
}
