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
import type { DiscoverWorld } from "../../../core/ingest/source-kind.ts";
import { boundOf, type CountedBy, comparedColumns } from "../compared-columns.ts";
import { Connection, quoteName, quoteText, targetOf } from "./connection.ts";
import { formatLsn, sortableLsn } from "./lsn.ts";
import { parsePosition } from "./position.ts";
import type { PostgresSettings } from "./settings.ts";
import { temporarySlot, versionOf } from "./setup.ts";
import { TypeCatalog, typeTextOf } from "./wire-types.ts";

const ROWS_MAX = 200_000;
const DOING = "count the rows";

/** Tables by `schema.table`. Throws LakeError. */
export async function countTables(
  settings: PostgresSettings,
  asks: readonly CountAsk[],
  world: DiscoverWorld,
): Promise<Counted> {
  const target = await targetOf(settings, world.projectRoot);
  const control = await Connection.open(target, "plain");
  const reader = await Connection.open(target, "plain");
  try {
    const { major } = await versionOf(control);
    const notices = { clock: world.clock, random: world.random, notice: () => {} };
    const { slot, connection } = await temporarySlot({ target, control, major }, notices);
    await reader.rows("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY", DOING);
    await reader.rows(`SET TRANSACTION SNAPSHOT ${quoteText(slot.snapshot)}`, DOING);
    connection.destroy();
    const tables: CountedTable[] = [];
    const leftOut: Counted["leftOut"][number][] = [];
    for (const ask of asks) {
      const counted = await countTable(reader, ask, named(ask.table));
      if (typeof counted === "string") leftOut.push({ table: ask.table, why: counted });
      else tables.push(counted);
    }
    return {
      until: sortableLsn(slot.at + 1n),
      at: formatLsn(slot.at),
      tables,
      leftOut,
      isReached: (position) => {
        if (position === null) return false;
        const { lsn, pending } = parsePosition(position);
        return lsn >= slot.at && pending.length === 0;
      },
      rowsOf: (table, window) => rowsIn(reader, table, named(table.table), window),
      valuesOf: (table, window, keys) => valuesIn(reader, table, named(table.table), window, keys),
      close: async () => {
        await reader.close();
        await control.close();
      },
    };
  } catch (thrown) {
    await reader.close();
    await control.close();
    throw thrown;
  }
}

/** The sums of the table that is called `named` in a statement, or why there are none. */
export async function countTable(
  reader: Connection,
  ask: CountAsk,
  named: string,
  by: CountedBy = { key: [], cursor: null },
): Promise<CountedTable | string> {
  const columns = await reader.rows(
    `SELECT a.attname, a.atttypid, a.atttypmod, array_position(i.indkey::int2[], a.attnum)
      FROM pg_attribute a LEFT JOIN pg_index i ON i.indrelid = a.attrelid AND i.indisprimary
      WHERE a.attrelid = to_regclass(${quoteText(named)}) AND a.attnum > 0 AND NOT a.attisdropped`,
    DOING,
  );
  if (columns.length === 0) return "it is not there";
  const types = await new TypeCatalog(reader).typesOf(
    columns.map(([, typeOid, typmod]) => ({ typeOid: Number(typeOid), typmod: Number(typmod) })),
  );
  const compared = comparedColumns(
    ask,
    columns.map(([name, , , place], index) => {
      const type = types[index];
      const natural = type === undefined ? null : typeTextOf(type);
      return { name: `${name}`, natural, keyPlace: place === null ? null : Number(place) };
    }),
    by,
  );
  if (typeof compared === "string") return compared;
  const parts = { table: ask.table, ...compared };
  const windows = await windowsOf(reader, parts, named);
  const cursor = await boundOf(parts, by, async (name) => {
    const [row] = await reader.rows(`SELECT max(${quoteName(name)}) FROM ${named}`, DOING);
    return row?.[0] ?? null;
  });
  if (typeof cursor === "string") return cursor;
  const rows = await reader.rows(
    `SELECT ${windowText(windows, parts)}, count(*), sum(${sumOf(rowText(parts))})::text
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
  const counts = countsText(table.cursor ?? null);
  const sql = `SELECT ${keyText(table)}, CASE WHEN ${counts} THEN ${sumOf(rowText(table))} END
    FROM ${named} WHERE ${within(table, window)} LIMIT ${ROWS_MAX}`;
  return new Map((await reader.rows(sql, DOING)).map(([key, sum]) => [`${key}`, sum ?? null]));
}

/** The values of some of them. */
export async function valuesIn(
  reader: Connection,
  table: CountedTable,
  named: string,
  window: string,
  keys: readonly string[],
): Promise<ValueSums> {
  const sums = table.values.map((column) => `md5(${textOf(column)})`);
  const sql = `SELECT ${[keyText(table), ...sums].join(", ")} FROM ${named}
    WHERE ${within(table, window)} AND ${keyText(table)} IN (${keys.map(quoteText).join(", ")})`;
  const rows = await reader.rows(sql, DOING);
  return new Map(rows.map(([key, ...values]) => [`${key}`, values]));
}

/** Whether a row counts. */
function countsText(cursor: CursorBound | null): string {
  if (cursor === null) return "true";
  const name = quoteName(cursor.column.name);
  return cursor.until === null
    ? `${name} IS NULL`
    : `(${name} IS NULL OR ${name} <= ${quoteText(cursor.until)})`;
}

type Parts = Pick<CountedTable, "table" | "key" | "values">;

async function windowsOf(reader: Connection, { key }: Parts, named: string): Promise<Windows> {
  const [only, ...others] = key;
  if (only?.form.kind !== "whole" || others.length > 0) return { kind: "hashes" };
  const name = quoteName(only.name);
  const [row] = await reader.rows(`SELECT min(${name}), max(${name}) FROM ${named}`, DOING);
  return rangesOf(row?.[0] ?? null, row?.[1] ?? null) ?? { kind: "hashes" };
}

/** The window that a row is in. */
function windowText(windows: Windows, parts: Parts): string {
  if (windows.kind !== "ranges") return `substr(md5(${keyText(parts)}), 1, 2)`;
  const name = quoteName(parts.key[0]?.name ?? "");
  return `((${name}::int8 - (${windows.low})::int8) / ${windows.width})::text`;
}

/** What rows of a window are selected by: an index where they are a range. */
function within(table: CountedTable, window: string): string {
  const { windows, key } = table;
  if (windows.kind !== "ranges") return `${windowText(windows, table)} = ${quoteText(window)}`;
  const name = quoteName(key[0]?.name ?? "");
  const { low, high } = rangeOf(windows, window);
  const bounds = [
    ...(low === null ? [] : [`${name} >= ${low}`]),
    ...(high === null ? [] : [`${name} <= ${high}`]),
  ];
  return bounds.join(" AND ");
}

function keyText({ key }: Parts): string {
  return `concat_ws(chr(${SEPARATOR}), ${key.map(bare).join(", ")})`;
}

/** Null and a text are told apart. */
function rowText({ key, values }: Parts): string {
  return `concat_ws(chr(${SEPARATOR}), ${[...key.map(bare), ...values.map(textOf)].join(", ")})`;
}

function textOf(column: ComparedColumn): string {
  // A composite of nulls alone is null to IS NULL.
  return `CASE WHEN num_nulls(${quoteName(column.name)}) = 1 THEN '-' ELSE '+' || ${bare(column)} END`;
}

/** `concat` writes values as they are sent. A cast to text would cut what a char(n) is padded with. */
function bare({ name, form }: ComparedColumn): string {
  return formText(quoteName(name), form);
}

function formText(name: string, form: DigestForm): string {
  switch (form.kind) {
    case "decimal":
      return `${name}::numeric(${form.precision},${form.scale})::text`;
    case "days":
      return `CASE WHEN isfinite(${name}) THEN concat(${name}::date - date '1970-01-01') ELSE concat(${name}) END`;
    case "micros":
      return `CASE WHEN isfinite(${name}) THEN (extract(epoch FROM ${name}) * 1000000)::int8::text
        ELSE concat(${name}) END`;
    case "time":
      return `(extract(epoch FROM ${name}) * 1000000)::int8::text`;
    case "hex":
      return `encode(${name}, 'hex')`;
    case "bits":
      return `('x' || encode(float8send(${name}::float8), 'hex'))::bit(64)::text`;
    default:
      return `concat(${name})`;
  }
}

/** 60 bits of a text's hash. */
function sumOf(text: string): string {
  return `('x' || substr(md5(${text}), 1, 15))::bit(60)::int8`;
}

function named(table: string): string {
  const dot = table.indexOf(".");
  return `${quoteName(table.slice(0, dot))}.${quoteName(table.slice(dot + 1))}`;
}
