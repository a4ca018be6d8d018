/**
 * Rows of a scan as the corrections of a project put them right: each row by itself, so that any part of a table is
 * corrected as the whole is. DESIGN, decision 7: what landed stays as it was received.
 */

import { LakeError } from "../../core/base/errors.ts";
import { suggestion } from "../../core/base/suggest.ts";
import type { Corrected, Correction } from "../../core/table/correction.ts";
import { isHidden, ROW_COLUMN, SOURCE_FILE_COLUMN } from "../../core/table/system-columns.ts";
import type { Field, Scan, ScanFile, Schema } from "../../core/table/types.ts";
import { fitted } from "../dml/fit.ts";
import type { DuckDB } from "../duckdb/duckdb.ts";
import { nameOf, tokensOf } from "../syntax/lexer.ts";
import { quoteIdentifier, quoteList, quoteLiteral } from "../syntax/quote.ts";
import { rangeSql, scopeSql } from "./range.ts";

/** The rows as they are stored, of some files, with hidden columns. */
type Stored = (hidden: ReadonlySet<string>, files: readonly ScanFile[]) => Promise<string>;

const BATCH_COLUMN = "_batch";

/** The corrected rows, in the columns of `shape`. Throws `config` for a correction that the table cannot have. */
export async function correctedSql(
  db: DuckDB,
  scan: Scan,
  { by, within, range }: Corrected,
  shape: { readonly hidden: ReadonlySet<string>; readonly schema?: Schema },
  stored: Stored,
): Promise<string> {
  const schema = shape.schema ?? scan.schema;
  const named = hiddenNamed([...by, ...(within ?? [])], schema);
  const ranged = range !== undefined && isHidden(range.column) ? [range.column] : [];
  const extra = [...new Set([...named, ...ranged])].filter((name) => !shape.hidden.has(name));
  const hidden = new Set([...shape.hidden, ...extra]);
  const alias = quoteIdentifier(scan.table.split(".").at(-1) ?? scan.table);
  let rows = await stored(hidden, scan.files);
  if (within !== undefined) {
    const ranges = within.map((one) => `(${rangeOf(one, schema)})`);
    rows = `SELECT * FROM (${rows}) WHERE ${ranges.join(" OR ")}`;
  }
  const empty = await stored(hidden, []);
  for (const one of by) {
    const parts = [rangeOf(one, schema), one.where].filter((part) => part !== null);
    const condition = parts.map((part) => `(${part}\n)`).join(" AND ");
    await typesOf(db, one, alias, empty, [condition]);
    if (one.sets === null) {
      rows = `SELECT * FROM (${rows}) AS ${alias} WHERE (${condition}) IS NOT TRUE`;
      continue;
    }
    const types = await typesOf(
      ...([db, one, alias, empty] as const),
      one.sets.map(({ sql }) => sql),
    );
    const items = one.sets.map(({ column, sql }, index) => {
      const field = fieldOf(one, column, schema, scan.table);
      const said = `${field.name} (${one.file}:${one.line})`;
      const value = fitted({ sql: `(${sql}\n)`, type: types[index] ?? "" }, field.type, said);
      const name = quoteIdentifier(field.name);
      return `CASE WHEN ${condition} THEN ${value} ELSE ${alias}.${name} END AS ${name}`;
    });
    rows = `SELECT * REPLACE (${items.join(", ")}) FROM (${rows}) AS ${alias}`;
  }
  if (range !== undefined)
    rows = `SELECT * FROM (${rows}) WHERE ${scopeSql(range, schema, scan.table)}`;
  if (extra.length === 0) return rows;
  return `SELECT * EXCLUDE (${extra.map(quoteIdentifier).join(", ")}) FROM (${rows})`;
}

/** Hidden columns that ranges or statements name, as far as the table has them. */
function hiddenNamed(corrections: readonly Correction[], schema: Schema): string[] {
  const names = new Set<string>();
  for (const { batches, files, time, sets, where } of corrections) {
    if (batches.length > 0) names.add(BATCH_COLUMN);
    if (files.length > 0) names.add(SOURCE_FILE_COLUMN);
    if (time !== null) names.add(time.column.toLowerCase());
    const texts = [...(sets ?? []).map(({ sql }) => sql), ...(where === null ? [] : [where])];
    for (const token of texts.flatMap((text) => tokensOf(text))) {
      if (token.kind === "word" || token.kind === "quoted") names.add(nameOf(token).toLowerCase());
    }
  }
  const has = new Set(schema.fields.map((field) => field.name));
  return [...names].filter((name) => isHidden(name) && (has.has(name) || name === ROW_COLUMN.name));
}

/** The range of a correction as a condition over rows. */
function rangeOf(one: Correction, schema: Schema): string {
  const { batches, files, time } = one;
  const parts: string[] = [];
  for (const name of [
    ...(batches.length > 0 ? [BATCH_COLUMN] : []),
    ...(files.length > 0 ? [SOURCE_FILE_COLUMN] : []),
  ]) {
    if (schema.fields.some((field) => field.name === name)) continue;
    const what = name === BATCH_COLUMN ? "batch" : "file";
    throw wrong(one, `the rows are of no ${what}`, "give the range by from and to, or by WHERE");
  }
  if (batches.length > 0) parts.push(`${BATCH_COLUMN} IN (SELECT unnest(${quoteList(batches)}))`);
  if (files.length > 0) {
    const like = files.map((file) => `${SOURCE_FILE_COLUMN} GLOB ${quoteLiteral(file)}`);
    parts.push(`(${like.join(" OR ")})`);
  }
  if (time !== null) {
    const field = schema.fields.find(({ name }) => sameName(name, time.column));
    if (field === undefined) throw noColumn(one, time.column, schema);
    parts.push(placed(one, () => rangeSql(time, field.name, field.type)));
  }
  return parts.length === 0 ? "TRUE" : parts.join(" AND ");
}

function fieldOf(one: Correction, column: string, schema: Schema, table: string): Field {
  const field = schema.fields.find(({ name }) => sameName(name, column) && !isHidden(name));
  if (field === undefined) throw noColumn(one, column, schema, table);
  return field;
}

/** By statement and columns: each read asks again. */
const KNOWN_TYPES = new Map<string, readonly string[]>();
const KNOWN_TYPES_MAX = 1_000;

/** Types of expressions over a row, as DuckDB spells them. */
async function typesOf(
  db: DuckDB,
  one: Correction,
  alias: string,
  empty: string,
  expressions: readonly string[],
): Promise<readonly string[]> {
  const items = expressions.map((sql, index) => `(${sql}\n) AS c${index}`);
  const sql = `SELECT ${items.join(", ")} FROM (${empty}) AS ${alias}`;
  const known = KNOWN_TYPES.get(sql);
  if (known !== undefined) return known;
  if (KNOWN_TYPES.size > KNOWN_TYPES_MAX) KNOWN_TYPES.clear();
  try {
    const types = (await db.rows(`DESCRIBE ${sql}`)).map((row) => String(row.column_type));
    KNOWN_TYPES.set(sql, types);
    return types;
  } catch (thrown) {
    if (!(thrown instanceof LakeError)) throw thrown;
    throw wrong(one, thrown.message, thrown.hint ?? "see the columns: tarn show TABLE --columns");
  }
}

function placed<T>(one: Correction, make: () => T): T {
  try {
    return make();
  } catch (thrown) {
    if (!(thrown instanceof LakeError)) throw thrown;
    throw wrong(one, thrown.message, "name a date or timestamp column behind by:, or _ingested_at");
  }
}

function noColumn(one: Correction, column: string, { fields }: Schema, table = ""): LakeError {
  const names = fields.map(({ name }) => name).filter((name) => !isHidden(name));
  const whose = table === "" ? "its table" : table;
  return wrong(one, `${whose} has no column ${column}`, suggestion(column, names, "columns"));
}

function wrong({ name, file, line }: Correction, message: string, hint: string): LakeError {
  const place = { file, line, column: 1 };
  return new LakeError("config", `correction ${name}: ${message}`, { hint, place, page: "T0122" });
}

function sameName(a: string, b: string): boolean {
  return a.toLowerCase() === b.toLowerCase();
}
