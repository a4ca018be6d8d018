/** What each column of the table is made of: a field of the file, a folder or constant of the batch, or nothing. */

import type { DecodeRequest } from "../../core/engine.ts";
import { RESCUED_COLUMN } from "../../core/table/system-columns.ts";
import { duckDBType } from "../duckdb/types.ts";
import { quoteIdentifier, quoteLiteral } from "../syntax/quote.ts";
import { type Drops, folderSqlByName } from "./folders.ts";

const KNOWN_TEXTS: ReadonlySet<string> = new Set(["_source", "_source_file", "_batch"]);
const GUARD_MESSAGE = "lake: a row to be looked at";

/**
 * The SELECT list of the table's columns. `valueByName` holds SQL for columns that the file fills; `rescuedSql` is the
 * JSON of unknown fields. A folder of the drop fills what the file leaves empty. Where `guard` does not hold the
 * statement fails: see isGuardFailure. Columns of few known texts are ENUMs: DuckDB writes them as strings by their
 * dictionary, for nothing, where it hashes every text of a VARCHAR (11 million rows: three columns cost 0.5 of 4.1
 * seconds).
 */
export function targetList(
  request: DecodeRequest,
  valueByName: ReadonlyMap<string, string>,
  drops: Drops,
  rescuedSql: string,
  guard: string | null = null,
): string {
  const micros = BigInt(request.ingestedAtMs) * 1000n;
  const system = new Map([
    ["_source", knownText(request.source)],
    ["_source_file", drops.name],
    ["_batch", knownText(request.batch)],
    ["_ingested_at", quoteLiteral({ kind: "timestamptz", micros })],
    [RESCUED_COLUMN.name, rescuedSql],
  ]);
  const folders = folderSqlByName(request, drops);
  return request.schema.fields
    .map((field, index) => {
      const own = system.get(field.name) ?? valueByName.get(field.name) ?? "NULL";
      const plain = filled(own, folders.get(field.name));
      const value = guard === null || index > 0 ? plain : guarded(guard, plain);
      const typed = KNOWN_TEXTS.has(field.name)
        ? value
        : `CAST(${value} AS ${duckDBType(field.type)})`;
      return `${typed} AS ${quoteIdentifier(field.name)}`;
    })
    .join(", ");
}

/** True for the failure of a statement that met a row which must not land as it is. */
export function isGuardFailure(thrown: unknown): boolean {
  return thrown instanceof Error && thrown.message.includes(GUARD_MESSAGE);
}

/** The drops of one statement, known by `file_index` of its reader; a constant where there is one. */
export function dropsOf(files: readonly string[]): Drops {
  const [only, ...others] = files;
  if (only !== undefined && others.length === 0)
    return { files, name: knownText(only), index: "0" };
  const list = files.map((name) => quoteLiteral(name)).join(", ");
  const name = `list_extract([${list}]::${enumType(files)}[], file_index::BIGINT + 1)`;
  return { files, name, index: "file_index" };
}

/** Those whose names stand in a column of text. */
export function namedDrops(files: readonly string[], column: string): Drops {
  return { files, name: column, index: `enum_code(${column}::${enumType(files)})` };
}

function knownText(text: string): string {
  return `${quoteLiteral(text)}::${enumType([text])}`;
}

function enumType(texts: readonly string[]): string {
  return `ENUM(${[...new Set(texts)].map((text) => quoteLiteral(text)).join(", ")})`;
}

function filled(own: string, folder: string | undefined): string {
  if (folder === undefined) return own;
  return own === "NULL" ? folder : `coalesce(${own}, ${folder})`;
}

function guarded(guard: string, value: string): string {
  return `CASE WHEN ${guard} THEN ${value} ELSE error(${quoteLiteral(GUARD_MESSAGE)}) END`;
}
