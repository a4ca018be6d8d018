/** Counts and sums rows of tables as of one place in the log, for comparing them with what was delivered. */

import type { DigestForm } from "../../../core/ingest/digest-form.ts";
import {
  type ComparedColumn,
  type CountAsk,
  type Counted,
  type CountedTable,
  type CursorBound,
  type RowSums,
  rangeOf,
  rangesOf,
  SEPARATOR,
  type ValueSums,
  type Windows,
} from "../../../core/ingest/reconcile.ts";
import type { CountWorld } from "../../../core/ingest/source-kind.ts";
import { boundOf, type CountedBy, comparedColumns } from "../compared-columns.ts";
import { type CatalogColumn, type CatalogTable, Charsets, catalogTable } from "./catalog.ts";
import { Connection, quoteName, quoteTable, quoteText, targetOf } from "./connection.ts";
import { epochOf, placeAt, placeText } from "./place.ts";
import { parsePosition } from "./position.ts";
import type { MysqlSettings } from "./settings.ts";
import { beginAt, TRANSACTIONAL } from "./snapshot.ts";
import { landsAs, wireOfCatalog } from "./types.ts";

const ROWS_MAX = 200_000;
const DOING = "count the rows";
/** A double has no text and no bits there that are the same here; what the server stores of these is its own. */
const NO_TEXT: ReadonlySet<string> = new Set(["float", "double", "geometry", "vector"]);

/** Tables by `database.table`. Throws LakeError. */
export async function countTables(
  settings: MysqlSettings,
  asks: readonly CountAsk[],
  world: CountWorld,
): Promise<Counted> {
  const target = await targetOf(settings, world.projectRoot);
  const reader = await Connection.open(target, () => world.clock.nowMs());
  try {
    const charsets = await Charsets.of(reader);
    const leftOut: Counted["leftOut"][number][] = [];
    const found: (readonly [CountAsk, CatalogTable])[] = [];
    for (const ask of asks) {
      const table = await tableOf(reader, ask.table);
      if (typeof table === "string") leftOut.push({ table: ask.table, why: table });
      else found.push([ask, table]);
    }
    const inForce = found.map(([, table]) => table);
    const nobody = { foreign: new Set<string>(), stop: NEVER, notice: () => {}, ...world };
    const place = await beginAt(reader, inForce, nobody);
    const epoch = world.from === null ? 0n : epochOf(parsePosition(world.from).lsn);
    const at = place === null ? 0n : placeAt(epoch, place);
    const tables: CountedTable[] = [];
    for (const [ask, table] of found) {
      const counted = await countTable(reader, ask, table, charsets, named(ask.table));
      if (typeof counted === "string") leftOut.push({ table: ask.table, why: counted });
      else tables.push(counted);
    }
    return {
      // Behind all that ends at the place, rows that were there at it included.
      until: `${placeText(at)}~~`,
      at: place === null ? "" : `${place.file}:${place.byte}`,
      tables,
      leftOut,
      isReached: (position) => {
        if (position === null) return false;
        const { lsn, pending } = parsePosition(position);
        return lsn >= at && pending.length === 0;
      },
      rowsOf: (table, window) => rowsIn(reader, table, named(table.table), window),
      valuesOf: (table, window, keys) => valuesIn(reader, table, named(table.table), window, keys),
      close: async () => reader.destroy(),
    };
  } catch (thrown) {
    reader.destroy();
    throw thrown;
  }
}

const NEVER = new AbortController().signal;

async function tableOf(reader: Connection, name: string): Promise<CatalogTable | string> {
  const dot = name.indexOf(".");
  const table = await catalogTable(reader, name.slice(0, dot), name.slice(dot + 1));
  if (table === null) return "it is not there";
  return TRANSACTIONAL.has(table.engine) ? table : `its engine ${table.engine} has no transactions`;
}

/** The sums of the table that is called `named` in a statement, or why there are none. */
export async function countTable(
  reader: Connection,
  ask: CountAsk,
  table: CatalogTable,
  charsets: Charsets,
  named: string,
  by: CountedBy = { key: [], cursor: null },
): Promise<CountedTable | string> {
  const places = await keyPlaces(reader, table);
  const compared = comparedColumns(
    ask,
    table.columns.map((column) => ({
      name: column.name,
      natural: NO_TEXT.has(column.dataType) ? null : landsAs(wireOfCatalog(column, charsets)),
      keyPlace: places.get(column.name) ?? null,
    })),
    by,
  );
  if (typeof compared === "string") return compared;
  const columns = new Map(table.columns.map((column) => [column.name, column]));
  const typed = ({ name, ...rest }: ComparedColumn): ThereColumn => ({
    ...rest,
    name,
    there: columns.get(name) ?? null,
  });
  const parts = {
    table: ask.table,
    key: compared.key.map(typed),
    values: compared.values.map(typed),
    uncompared: compared.uncompared,
  };
  const windows = await windowsOf(reader, parts, named);
  const cursor = await boundOf(parts, by, async (name) => {
    const sql = `SELECT CAST(MAX(${quoteName(name)}) AS CHAR) FROM ${named}`;
    return (await reader.rows(sql, DOING))[0]?.[0] ?? null;
  });
  if (typeof cursor === "string") return cursor;
  const rows = await reader.rows(
    `SELECT ${windowOf(windows, parts)}, count(*), sum(${sumOf(rowText(parts))})
      FROM ${named} WHERE ${countsText(cursor)} GROUP BY 1`,
    DOING,
  );
  const sums = rows.map(([window, count, sum]) => ({
    window: `${window}`,
    rows: Number(count),
    sum: `${sum}`,
  }));
  return { ...parts, windows, sums, ...(cursor === null ? {} : { cursor }) };
}

/** Rows of a window by their keys. */
export async function rowsIn(
  reader: Connection,
  table: CountedTable,
  named: string,
  window: string,
): Promise<RowSums> {
  const sum = `IF(${countsText(table.cursor ?? null)}, ${sumOf(rowText(table))}, NULL)`;
  const sql = `SELECT ${keyText(table)}, ${sum} FROM ${named}
    WHERE ${within(table, window)} LIMIT ${ROWS_MAX}`;
  return new Map((await reader.rows(sql, DOING)).map(([key, one]) => [`${key}`, one ?? null]));
}

/** The values of some of them. */
export async function valuesIn(
  reader: Connection,
  table: CountedTable,
  named: string,
  window: string,
  keys: readonly string[],
): Promise<ValueSums> {
  const sums = table.values.map((column) => `MD5(${textOf(column)})`);
  // By their hashes: texts may be equal to others in their collation.
  const wanted = keys.map((key) => `MD5(${quoteText(key)})`);
  const sql = `SELECT ${[keyText(table), ...sums].join(", ")} FROM ${named}
    WHERE ${within(table, window)} AND MD5(${keyText(table)}) IN (${wanted.join(", ")})`;
  const rows = await reader.rows(sql, DOING);
  return new Map(rows.map(([key, ...values]) => [`${key}`, values]));
}

/** Whether a row counts. */
function countsText(cursor: CursorBound | null): string {
  if (cursor === null) return "TRUE";
  const name = quoteName(cursor.column.name);
  if (cursor.until === null) return `${name} IS NULL`;
  const isNumber = /^-?[\d.]+$/.test(cursor.until);
  const until = isNumber ? cursor.until : quoteText(cursor.until);
  return `(${name} IS NULL OR ${name} <= ${until})`;
}

/** With what the catalog says of it. */
interface ThereColumn extends ComparedColumn {
  readonly there?: CatalogColumn | null;
}

type Parts = Pick<CountedTable, "table"> & {
  readonly key: readonly ThereColumn[];
  readonly values: readonly ThereColumn[];
};

async function keyPlaces(
  reader: Connection,
  { schema, table }: CatalogTable,
): Promise<ReadonlyMap<string, number>> {
  const rows = await reader.rows(
    `SELECT COLUMN_NAME, SEQ_IN_INDEX FROM information_schema.STATISTICS
      WHERE TABLE_SCHEMA = ${quoteText(schema)} AND TABLE_NAME = ${quoteText(table)} AND INDEX_NAME = 'PRIMARY'`,
    DOING,
  );
  return new Map(rows.map(([name, place]) => [`${name}`, Number(place)]));
}

async function windowsOf(reader: Connection, { key }: Parts, named: string): Promise<Windows> {
  const [only, ...others] = key;
  // A bigint that has no sign is a decimal here.
  const isWhole =
    only?.form.kind === "whole" || (only?.form.kind === "decimal" && only.form.scale === 0);
  if (only === undefined || !isWhole || others.length > 0) return { kind: "hashes" };
  const name = quoteName(only.name);
  const [row] = await reader.rows(`SELECT min(${name}), max(${name}) FROM ${named}`, DOING);
  return rangesOf(row?.[0] ?? null, row?.[1] ?? null) ?? { kind: "hashes" };
}

/** The window that a row is in. */
function windowOf(windows: Windows, parts: Parts): string {
  if (windows.kind !== "ranges") return `SUBSTR(MD5(${keyText(parts)}), 1, 2)`;
  const name = quoteName(parts.key[0]?.name ?? "");
  return `CAST((CAST(${name} AS DECIMAL(20,0)) - ${windows.low}) DIV ${windows.width} AS CHAR)`;
}

/** What rows of a window are selected by: an index where they are a range. */
function within(table: CountedTable, window: string): string {
  const { windows, key } = table;
  if (windows.kind !== "ranges") return `${windowOf(windows, table)} = ${quoteText(window)}`;
  const name = quoteName(key[0]?.name ?? "");
  const { low, high } = rangeOf(windows, window);
  const bounds = [
    ...(low === null ? [] : [`${name} >= ${low}`]),
    ...(high === null ? [] : [`${name} <= ${high}`]),
  ];
  return bounds.join(" AND ");
}

function keyText({ key }: Parts): string {
  return `CONCAT_WS(CHAR(${SEPARATOR} USING utf8mb4), ${key.map(bare).join(", ")})`;
}

/** Null and a text are told apart. */
function rowText({ key, values }: Parts): string {
  const texts = [...key.map(bare), ...values.map(textOf)].join(", ");
  return `CONCAT_WS(CHAR(${SEPARATOR} USING utf8mb4), ${texts})`;
}

function textOf(column: ThereColumn): string {
  return `IF(${quoteName(column.name)} IS NULL, '-', CONCAT('+', ${bare(column)}))`;
}

function bare({ name, form, there }: ThereColumn): string {
  const text = formText(quoteName(name), form, there ?? null);
  return `CONVERT(${text} USING utf8mb4)`;
}

function formText(name: string, form: DigestForm, there: CatalogColumn | null): string {
  switch (form.kind) {
    case "whole":
      // A year is a number, and zeros that only fill are none of it.
      return `CAST(${name} + 0 AS CHAR)`;
    case "decimal":
      return `CAST(CAST(${name} AS DECIMAL(${form.precision},${form.scale})) AS CHAR)`;
    case "boolean":
      return `IF(${name}, 't', 'f')`;
    case "days":
      return `CAST(DATEDIFF(${name}, '1970-01-01') AS CHAR)`;
    case "micros":
      return `CAST(TIMESTAMPDIFF(MICROSECOND, '1970-01-01 00:00:00', ${name}) AS CHAR)`;
    case "time":
      // Seconds have their fraction in MariaDB, and none in MySQL.
      return `CAST(FLOOR(TIME_TO_SEC(${name})) * 1000000 + MICROSECOND(${name}) AS CHAR)`;
    case "hex":
      return `LOWER(HEX(${name}))`;
    default:
      return there?.dataType === "bit" ? bitsText(name, there) : `CAST(${name} AS CHAR)`;
  }
}

function bitsText(name: string, { columnType }: CatalogColumn): string {
  const digits = /\((\d+)\)/.exec(columnType)?.[1] ?? "1";
  return `LPAD(BIN(${name} + 0), ${digits}, '0')`;
}

/** 60 bits of a text's hash. */
function sumOf(text: string): string {
  return `CAST(CONV(SUBSTR(MD5(${text}), 1, 15), 16, 10) AS UNSIGNED)`;
}

function named(name: string): string {
  const dot = name.indexOf(".");
  return quoteTable({ schema: name.slice(0, dot), table: name.slice(dot + 1) });
}
