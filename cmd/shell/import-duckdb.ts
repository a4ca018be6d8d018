/** Tables of a DuckDB file, attached for reading alone. */

import { LakeError } from "../../core/base/errors.ts";
import { duckDBError } from "../../sql/duckdb/error.ts";
import { quoteIdentifier, quoteLiteral } from "../../sql/syntax/quote.ts";
import { replacedTypes } from "../../sql/syntax/type-words.ts";
import type { Ask, Foreign, ForeignTable, Prepared } from "./foreign.ts";

/** What the file is called within the engine. */
const ATTACHED = "lake_import";
const USUAL_SCHEMA = "main";
/** Files of DuckDB 2 are of a version of their own, unless they were asked to be older. */
const NEWER = /version number (\d+), but we can only read versions between/;

/** Throws `input` for a file that this version cannot open, `locked` where another program writes it. */
export async function openDuckDBFile(path: string, ask: Ask): Promise<Foreign> {
  try {
    await ask(`ATTACH ${quoteLiteral(path)} AS ${ATTACHED} (READ_ONLY)`);
  } catch (thrown) {
    const error = duckDBError(thrown, null);
    const version = NEWER.exec(error.message)?.[1];
    if (version !== undefined) throw newerError(path, version, thrown);
    const isLocked = /set lock on file/i.test(error.message);
    throw new LakeError(isLocked ? "locked" : "input", `${path} cannot be opened`, {
      hint: isLocked
        ? "another program has it open for writing: end it, or copy the file"
        : `as DuckDB says: ${error.message}`,
      cause: thrown,
    });
  }
  const of = `database_name = ${quoteLiteral(ATTACHED)} AND NOT internal`;
  const found = await ask(
    `SELECT schema_name AS s, table_name AS t FROM duckdb_tables() WHERE ${of} AND NOT temporary ORDER BY 1, 2`,
  );
  const views = await ask(
    `SELECT schema_name AS s, view_name AS t FROM duckdb_views() WHERE ${of} ORDER BY 1, 2`,
  );
  const named = (row: Readonly<Record<string, unknown>>): string => `${row.s}.${row.t}`;
  return {
    kind: "duckdb",
    tables: found.map((row) => tableOf(String(row.s), String(row.t))),
    left: views.map((row) => `view ${named(row)}`),
  };
}

function newerError(path: string, version: string, cause: unknown): LakeError {
  return new LakeError(
    "input",
    `${path} was written by a newer DuckDB (storage version ${version})`,
    {
      hint:
        "write it again there as an older one: ATTACH 'older.duckdb' AS older (STORAGE_VERSION 'v1.5.0'); " +
        "COPY FROM DATABASE its_name TO older; then import older.duckdb",
      cause,
    },
  );
}

function tableOf(schema: string, table: string): ForeignTable {
  const place = [ATTACHED, schema, table].map((part) => quoteIdentifier(part)).join(".");
  return {
    name: `${schema}.${table}`,
    plain: schema === USUAL_SCHEMA ? table : `${schema}_${table}`,
    prepare: (ask) => prepare(place, ask),
  };
}

/** Types that the lake has not become texts, or times where every one is exact. */
async function prepare(place: string, ask: Ask): Promise<Prepared> {
  const replaced: string[] = [];
  const notes: string[] = [];
  for (const row of await ask(`DESCRIBE FROM ${place}`)) {
    const [name, type] = [String(row.column_name), String(row.column_type)];
    const column = quoteIdentifier(name);
    const to = await castFor(type, column, place, ask);
    if (to === null) continue;
    replaced.push(`${column}::${to} AS ${column}`);
    notes.push(`${name}: ${type} as ${to}`);
  }
  const replacing = replaced.length === 0 ? "" : ` REPLACE (${replaced.join(", ")})`;
  return { sql: `SELECT *${replacing} FROM ${place}`, partitionedBy: [], notes };
}

/** Types by what holds each of their values. */
const AS_TEXT: Readonly<Record<string, string>> = {
  "TIME WITH TIME ZONE": "VARCHAR",
  INTERVAL: "VARCHAR",
  TIMETZ: "VARCHAR",
  BIT: "VARCHAR",
  BIGNUM: "VARCHAR",
  VARIANT: "VARCHAR",
};
/** Types of nanoseconds, and those of microseconds. */
const NANOS: Readonly<Record<string, string>> = { TIMESTAMP_NS: "TIMESTAMP", TIME_NS: "TIME" };

async function castFor(
  type: string,
  column: string,
  place: string,
  ask: Ask,
): Promise<string | null> {
  const micros = NANOS[type];
  if (micros !== undefined) {
    const inexact = `${column}::${micros}::VARCHAR <> ${column}::VARCHAR`;
    const [row] = await ask(`SELECT count(*) AS n FROM ${place} WHERE ${inexact}`);
    return Number(row?.n ?? 0) === 0 ? micros : "VARCHAR";
  }
  const to = replacedTypes(type, AS_TEXT);
  return to === type ? null : to;
}
