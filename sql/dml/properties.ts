/** What is said of a table besides its columns and rows: properties, and the order that its files are kept in. */

import { LakeError } from "../../core/base/errors.ts";
import { parsePartitionText } from "../../core/table/partition.ts";
import type { Schema, SortField, SortOrder } from "../../core/table/types.ts";
import type { DuckDB } from "../duckdb/duckdb.ts";
import { Clauses } from "../syntax/clauses.ts";
import { isWord, nameOf } from "../syntax/lexer.ts";
import { type PendingTable, UNSORTED } from "./pending.ts";

/** Modes that rows may be changed in. */
const MODES: ReadonlySet<string> = new Set(["copy-on-write", "merge-on-read"]);
const FORMAT_VERSION = "format-version";
const PROPERTY_CHARS_MAX = 10_000;

/** `'write.delete.mode' = 'merge-on-read'`, `comment = 'x'`. */
export async function propertiesOf(
  db: DuckDB,
  texts: readonly string[],
): Promise<Record<string, string>> {
  const found: Record<string, string> = {};
  for (const text of texts) {
    const clauses = new Clauses(text);
    const name = propertyName(clauses);
    clauses.take("=");
    const sql = clauses.text(clauses.at, clauses.tokens.length);
    found[name] = checkedProperty(name, await textOf(db, sql));
  }
  return found;
}

/** Names alone. */
export function propertyNames(texts: readonly string[]): string[] {
  return texts.map((text) => propertyName(new Clauses(text)));
}

/** The text that an expression without tables is; null for NULL. */
export async function constantOf(db: DuckDB, sql: string): Promise<string | null> {
  const [row] = await db.rows(`SELECT (${sql})::VARCHAR AS value`);
  return row?.value === null || row?.value === undefined ? null : String(row.value);
}

/** `day desc nulls last`, `bucket(4, id)`. Throws `usage`. */
export function sortOrderOf(texts: readonly string[], schema: Schema): SortOrder {
  if (texts.length === 0) return UNSORTED;
  // Whoever holds the table gives it its number.
  return { orderId: 1, fields: texts.map((text) => sortField(text, schema)) };
}

function sortField(text: string, schema: Schema): SortField {
  const clauses = new Clauses(text);
  const end = clauses.tokens.findIndex((token) =>
    ["asc", "desc", "nulls"].some((word) => isWord(token, word)),
  );
  const parsed = parsePartitionText(clauses.text(0, end < 0 ? clauses.tokens.length : end));
  if (parsed.kind === "invalid") {
    throw new LakeError("usage", parsed.reason, { hint: "sorted by (day desc, id)" });
  }
  const { column, transform } = parsed.partition;
  const field = schema.fields.find((one) => one.name.toLowerCase() === column.toLowerCase());
  if (field === undefined) {
    throw new LakeError("usage", `there is no column ${column} to sort by`, {
      hint: `columns are: ${schema.fields.map(({ name }) => name).join(", ")}`,
    });
  }
  clauses.at = end < 0 ? clauses.tokens.length : end;
  const isDescending = clauses.take("desc");
  clauses.take("asc");
  const isFirst = clauses.take("nulls", "first");
  const isLast = clauses.take("nulls", "last");
  return {
    transform,
    sourceId: field.id,
    direction: isDescending ? "desc" : "asc",
    // Iceberg: nulls come first in ascending order, and last in descending, unless it says otherwise.
    nullOrder: isFirst || (!isLast && !isDescending) ? "nulls-first" : "nulls-last",
  };
}

function propertyName(clauses: Clauses): string {
  const token = clauses.tokens[clauses.at];
  if (token?.kind === "string") {
    clauses.at++;
    return token.text.slice(1, -1).replaceAll("''", "'");
  }
  if (token?.kind === "quoted" && !clauses.sees(".")) {
    const [first = ""] = clauses.name();
    return first;
  }
  return token === undefined ? "" : clauses.name().join(".") || nameOf(token);
}

async function textOf(db: DuckDB, sql: string): Promise<string> {
  const value = await constantOf(db, sql === "" ? "true" : sql);
  if (value !== null && value.length <= PROPERTY_CHARS_MAX) return value;
  throw new LakeError("usage", "a property is a text", { hint: "to take one out: reset (name)" });
}

function checkedProperty(name: string, value: string): string {
  const isMode = /^write\.(?:delete|update|merge)\.mode$/.test(name);
  if (isMode && !MODES.has(value)) {
    throw new LakeError("usage", `${name} is ${[...MODES].join(" or ")}, not ${value}`);
  }
  if (name === FORMAT_VERSION && value !== "2" && value !== "3") {
    throw new LakeError("unsupported", `format-version ${value} is not written here`, {
      hint: "tables are written in format versions 2 and 3",
    });
  }
  return value;
}

/** Sets properties of a table; its format is one by name alone: what is said of it is an upgrade. */
export function setProperties(
  table: PendingTable,
  { [FORMAT_VERSION]: version, ...properties }: Readonly<Record<string, string>>,
): void {
  if (version !== undefined) table.upgrade(version === "3" ? 3 : 2);
  if (Object.keys(properties).length > 0) table.setProperties(properties);
}
