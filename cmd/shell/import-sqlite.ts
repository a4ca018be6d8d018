/**
 * Tables of an SQLite file. Its columns hold values of any type, whatever they declare: the type of a column is one
 * that holds each value exactly, and the values go to the engine as texts of a file.
 */

import { closeSync, openSync, writeSync } from "node:fs";
import { join } from "node:path";
import { LakeError } from "../../core/base/errors.ts";
import { quoteIdentifier, quoteLiteral } from "../../sql/syntax/quote.ts";
import {
  type SqliteColumn,
  type SqliteCounts,
  SqliteFile,
  type SqliteValue,
} from "../../storage/files/sqlite-file.ts";
import type { Ask, Foreign, ForeignTable, Prepared } from "./foreign.ts";

/** Written at a time. */
const FLUSH_BYTES = 4 << 20;
/** DuckDB's own bound on a line, which long values raise. */
const LINE_BYTES = 2_000_000;
const NULL = "\\N";

/** As of one moment, until the process ends. Throws `input`. */
export async function openSqliteFile(path: string, tempFolder: string): Promise<Foreign> {
  const file = SqliteFile.open(path);
  const all = file.tables();
  const tables = all.filter(({ type }) => type === "table");
  const others = all.filter(({ type }) => type !== "table");
  return {
    kind: "sqlite",
    tables: tables.map(({ name }, index): ForeignTable => {
      const target = join(tempFolder, `table-${index}.csv`);
      return { name, plain: name, prepare: (ask) => prepare(file, name, target, ask) };
    }),
    left: others.map(({ name, type }) => `${type === "view" ? "view" : "virtual table"} ${name}`),
  };
}

async function prepare(
  source: SqliteFile,
  table: string,
  file: string,
  ask: Ask,
): Promise<Prepared> {
  const columns = source.columns(table);
  const counts = columns.map(({ name }) => source.counts(table, name) ?? NO_COUNTS);
  const kinds = columns.map((column, index) => kindOf(column, counts[index] ?? NO_COUNTS));
  const longest = writeRows(source, table, columns, kinds, file);
  const names = columns.map(({ name }) => `${quoteLiteral(name)}: 'VARCHAR'`).join(", ");
  const from =
    `read_csv(${quoteLiteral(file)}, header = false, columns = {${names}}, delim = ',', quote = '"', escape = '"', ` +
    `nullstr = ${quoteLiteral(NULL)}, allow_quoted_nulls = false, new_line = '\\n', parallel = false, ` +
    `max_line_size = ${Math.max(LINE_BYTES, longest + 1)}, auto_detect = false)`;
  const notes: string[] = [];
  const selected: string[] = [];
  for (const [index, column] of columns.entries()) {
    const kind = kinds[index] ?? "VARCHAR";
    const { sql, note } = await expressionOf(column, kind, counts[index] ?? NO_COUNTS, from, ask);
    selected.push(`${sql} AS ${quoteIdentifier(column.name)}`);
    if (note !== null) notes.push(`${column.name}: ${note}`);
  }
  return { sql: `SELECT ${selected.join(", ")} FROM ${from}`, partitionedBy: [], notes };
}

const NO_COUNTS: SqliteCounts = {
  whole: 0,
  real: 0,
  text: 0,
  blob: 0,
  large: 0,
  least: 0,
  most: 0,
};

type Kind = "BOOLEAN" | "BIGINT" | "DOUBLE" | "VARCHAR" | "BLOB";

/** What holds each of the values exactly. SQLite, "Datatypes": 3.1 for what was declared. */
function kindOf({ declared }: SqliteColumn, counts: SqliteCounts): Kind {
  const { whole, real, text, blob, large, least, most } = counts;
  const type = declared.toUpperCase();
  if (blob > 0) return "BLOB";
  if (text > 0) return "VARCHAR";
  if (real > 0) return large > 0 ? "VARCHAR" : "DOUBLE";
  if (whole > 0) return type.includes("BOOL") && least >= 0 && most <= 1 ? "BOOLEAN" : "BIGINT";
  if (type.includes("INT")) return "BIGINT";
  return /REAL|FLOA|DOUB/.test(type) ? "DOUBLE" : "VARCHAR";
}

async function expressionOf(
  { name, declared }: SqliteColumn,
  kind: Kind,
  { whole, real, text, blob }: SqliteCounts,
  from: string,
  ask: Ask,
): Promise<{ readonly sql: string; readonly note: string | null }> {
  const column = quoteIdentifier(name);
  switch (kind) {
    case "BLOB": {
      const mixed =
        whole + real + text > 0
          ? "holds bytes and other values: all as bytes of their texts"
          : null;
      return { sql: `from_hex(${column})`, note: blob > 0 ? mixed : null };
    }
    case "VARCHAR": {
      if (text > 0 && whole + real === 0) {
        const time = await timeOf(column, declared.toUpperCase(), from, ask);
        if (time !== null) return time;
      }
      const mixed =
        whole + real > 0 ? "holds texts and numbers that no number type holds: all as texts" : null;
      return { sql: column, note: mixed };
    }
    default:
      return { sql: `${column}::${kind}`, note: null };
  }
}

/** A column that says it holds times does, where each of its texts is one and comes back as it was. */
async function timeOf(
  column: string,
  declared: string,
  from: string,
  ask: Ask,
): Promise<{ readonly sql: string; readonly note: string } | null> {
  const isTime = /DATETIME|TIMESTAMP/.test(declared);
  if (!isTime && !declared.includes("DATE")) return null;
  const type = isTime ? "TIMESTAMP" : "DATE";
  const blank = `replace(${column}, 'T', ' ')`;
  const plain = isTime
    ? `CASE WHEN contains(${column}, '.') THEN rtrim(rtrim(${blank}, '0'), '.') ELSE ${blank} END`
    : column;
  const other = `${column} IS NOT NULL AND try_cast(${column} AS ${type})::VARCHAR IS DISTINCT FROM ${plain}`;
  const [row] = await ask(`SELECT count(*) AS n FROM ${from} WHERE ${other}`);
  if (Number(row?.n ?? 1) > 0) return null;
  return { sql: `${column}::${type}`, note: `texts that are all of a ${type.toLowerCase()}` };
}

/** Every row as a line; the bytes of the longest. */
function writeRows(
  source: SqliteFile,
  table: string,
  columns: readonly SqliteColumn[],
  kinds: readonly Kind[],
  file: string,
): number {
  const descriptor = openSync(file, "wx", 0o600);
  let longest = 0;
  try {
    let lines: string[] = [];
    let bytes = 0;
    const flush = (): void => {
      writeSync(descriptor, lines.join(""));
      lines = [];
      bytes = 0;
    };
    for (const row of source.rows(table, columns)) {
      const cells = row.map((value, index) => {
        const name = columns[index]?.name ?? "";
        const fault = typeof value === "string" ? source.faultOf(table, name, value) : null;
        if (fault !== null) throw noText(table, name, fault);
        return cellOf(value, kinds[index] ?? "VARCHAR");
      });
      const line = `${cells.join(",")}\n`;
      const size = Buffer.byteLength(line);
      longest = Math.max(longest, size);
      lines.push(line);
      bytes += size;
      if (bytes > FLUSH_BYTES) flush();
    }
    flush();
  } finally {
    closeSync(descriptor);
  }
  return longest;
}

function cellOf(value: SqliteValue, kind: Kind): string {
  if (value === null) return NULL;
  if (kind === "BLOB") {
    const bytes = value instanceof Uint8Array ? value : Buffer.from(String(value));
    return `"${Buffer.from(bytes).toString("hex")}"`;
  }
  return `"${String(value).replaceAll('"', '""')}"`;
}

function noText(table: string, column: string, fault: string): LakeError {
  return new LakeError("input", `${table}.${column} holds a text ${fault}`, {
    hint: `store it as bytes there: UPDATE ${table} SET ${column} = CAST(${column} AS BLOB)`,
  });
}
