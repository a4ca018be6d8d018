/** Rows that were set aside: which there are, and what may become of them. */

import { LakeError } from "../../core/base/errors.ts";
import { isJsonObject, type Json } from "../../core/base/json.ts";
import { nearestWord } from "../../core/base/suggest.ts";
import type { SourceConfig } from "../../core/ingest/contract.ts";
import { dropRows } from "../../core/ingest/drop-rows.ts";
import { quarantineTable } from "../../core/ingest/quarantine.ts";
import { type Retried, retryRows } from "../../core/ingest/retry.ts";
import type { RetryItem } from "../../core/ingest/retry-item.ts";
import type { TableName } from "../../core/table/types.ts";
import type { Session } from "../open.ts";
import { lakeRows } from "./query.ts";
import { sourceConfigs } from "./sources.ts";

export interface QuarantineFilter {
  /** A source, or a table in any spelling: `orders`, `bronze.orders`, `bronze_quarantine.orders`; null is all. */
  readonly source: string | null;
  /** The start of an id; null is all. */
  readonly id: string | null;
  readonly reason: string | null;
  /** Also rows that are fixed, dropped or superseded. */
  readonly all: boolean;
}

export interface QuarantinedRow {
  /** The quarantine table that holds it. */
  readonly table: TableName;
  readonly id: string;
  readonly source: string;
  readonly file: string;
  readonly position: string;
  readonly column: string | null;
  readonly reason: string;
  readonly message: string;
  readonly raw: string;
  /** The batch that the rows of its file carry. */
  readonly batch: string;
  readonly status: string;
  /** Why it is open no longer, where that is known. */
  readonly note: string | null;
}

/** How a row is corrected: one field set, or another text for the whole of it. */
export interface RowChange {
  readonly set: string | null;
  readonly raw: string | null;
}

/** As requests to the engine carry it. */
export type RetryRow = RetryItem & Readonly<Record<string, Json>>;

/** Rows that one command takes up. */
const ROWS_MAX = 100_000;

/** Newest batch last. Throws `not-found` for a source and for an id that there is not. */
export async function quarantineOf(
  session: Session,
  filter: QuarantineFilter,
): Promise<readonly QuarantinedRow[]> {
  const rows = await rowsOf(session, filter.source);
  if (rows.length === 0 && filter.source !== null) await requireSource(session, filter.source);
  const { id, reason, all } = filter;
  const named = id === null ? rows : rows.filter((row) => row.id.startsWith(id));
  if (id !== null && named.length === 0) {
    throw new LakeError("not-found", `no row that was set aside has an id like "${id}"`, {
      hint: `see: tarn quarantine show ${filter.source ?? "SOURCE"}`,
    });
  }
  // A row that is asked for by its id is answered for, whatever became of it.
  const isAsked = ({ status }: QuarantinedRow): boolean => all || id !== null || status === "open";
  return named.filter((row) => isAsked(row) && (reason === null || row.reason === reason));
}

/** Rows that a model set aside have no text to land: their model or its input is mended instead. */
export function landableRows(
  rows: readonly QuarantinedRow[],
  action: "retry" | "drop",
  source: string,
): readonly QuarantinedRow[] {
  const dropped = rows.filter((row) => row.source !== modelOf(row.table));
  const [first] = rows;
  const model = first === undefined ? "" : modelOf(first.table);
  if (first === undefined || dropped.length > 0 || modelOf(source) !== model) {
    return dropped.slice(0, ROWS_MAX);
  }
  throw new LakeError("usage", `${model} set these rows aside by its own rules`, {
    hint: `there is nothing to ${action}: mend the model or its input, then: tarn build ${model}`,
  });
}

/**
 * The rows as a retry takes them, by the source that each came through: several may land in one table. Throws `usage`
 * for a change that does not fit.
 */
export function retryItems(
  rows: readonly QuarantinedRow[],
  { set, raw: text }: RowChange,
): ReadonlyMap<string, readonly RetryRow[]> {
  if (text !== null && rows.length > 1) {
    throw new LakeError("usage", `--raw is one row, and ${rows.length} are meant`, {
      hint: "name the row with --id; see: tarn quarantine show",
    });
  }
  const bySource = Map.groupBy(rows, ({ source }) => source);
  return new Map(
    [...bySource].map(([source, group]) => [
      source,
      group.map(
        ({ id, batch, file, position, reason, raw }): RetryRow => ({
          ...{ id, batch, file, position, reason, raw },
          text,
          set,
        }),
      ),
    ]),
  );
}

/** Lands the rows that fit now, once. */
export async function retryQuarantined(
  session: Session,
  source: string,
  items: readonly RetryRow[],
): Promise<Retried & { readonly source: string; readonly table: TableName }> {
  const config = await sourceConfig(session, source);
  const retried = await retryRows(session.ports, config, items, session.settings);
  return { source: config.name, table: config.into, ...retried };
}

/** Gives the rows up for good; the originals still hold them. */
export async function dropQuarantined(
  session: Session,
  source: string,
  items: readonly RetryRow[],
): Promise<void> {
  await dropRows(session.ports, await sourceConfig(session, source), items);
}

async function rowsOf(session: Session, source: string | null): Promise<QuarantinedRow[]> {
  const heads = await session.catalog.tables();
  const tables = heads.map((head) => head.name).filter((name) => name.includes("_quarantine."));
  const files = tables.length === 0 ? [] : await session.catalog.ledger.files({});
  // A source may have got another name since.
  const sourceByFile = new Map(files.map((one) => [`${one.landsAs}\n${one.file}`, one.source]));
  const rows: QuarantinedRow[] = [];
  for (const table of tables) {
    const query = `select r.*, r."_batch" as batch, s.status, s.note
      from ${quoted(table)} r left join lake.quarantine s using (id)
      order by r."_batch", r.file, r.line, r.id`;
    for (const found of await lakeRows(session, query)) {
      const row = rowFrom(table, found, sourceByFile);
      if (source === null || row.source === source || isNamed(table, source)) rows.push(row);
    }
  }
  return rows;
}

/** `orders` is what any layer set aside of it, `bronze.orders` and `bronze_quarantine.orders` are one table. */
function isNamed(table: TableName, source: string): boolean {
  if (!source.includes(".")) return table.endsWith(`.${source}`);
  return table === source || table === quarantineTable(source);
}

/** `silver_quarantine.orders` is beside `silver.orders`. */
function modelOf(table: TableName): string {
  return table.replace("_quarantine.", ".");
}

/** Nothing of it is set aside: then it is at least something that rows could be set aside from. */
async function requireSource(session: Session, source: string): Promise<void> {
  if ((await session.catalog.ledger.batches({ source })).length > 0) return;
  const { project } = session;
  const drops = await session.drops();
  await drops.refresh();
  const sources = await sourceConfigs(session);
  const heads = await session.catalog.tables();
  const tables = [
    ...heads.map((head) => head.name),
    ...sources.map((config) => config.into),
    ...project.models.map((model) => model.name),
  ];
  const names = sources.map((config) => config.name);
  if (names.includes(source) || tables.some((table) => isOf(table, source))) return;
  const near = nearestWord(source, [...names, ...tables]);
  throw new LakeError("not-found", `there is no source and no table "${source}"`, {
    hint: near === null ? "see: tarn status" : `did you mean "${near}"?`,
  });
}

function isOf(table: TableName, source: string): boolean {
  return isNamed(table, source) || table === modelOf(source);
}

/** Names of tables have no quotes in them (core/table/name.ts). */
function quoted(table: TableName): string {
  const parts = table.split(".");
  return parts.map((part) => `"${part}"`).join(".");
}

function rowFrom(
  table: TableName,
  row: Readonly<Record<string, Json>>,
  sourceByFile: ReadonlyMap<string, string>,
): QuarantinedRow {
  const text = (name: string): string => String(row[name] ?? "");
  const [batch, file] = [text("batch"), text("file")];
  return {
    table,
    id: text("id"),
    source: sourceByFile.get(`${batch}\n${file}`) ?? text("source"),
    file,
    position: text("position"),
    column: text("column_name") === "" ? null : text("column_name"),
    reason: text("reason"),
    message: text("message"),
    raw: text("raw"),
    batch,
    status: text("status") === "" ? "open" : text("status"),
    note: text("note") === "" ? null : text("note"),
  };
}

async function sourceConfig(session: Session, name: string): Promise<SourceConfig> {
  const drops = await session.drops();
  await drops.refresh();
  const found = (await sourceConfigs(session)).find(
    (config) => config.name === name || config.into === name || config.into === `bronze.${name}`,
  );
  if (found !== undefined) return found;
  const { defaultSource } = await import("../../core/config/default-source.ts");
  const known = await session.catalog.ledger.contract(name);
  if (known !== null && isJsonObject(known)) return defaultSource(name, `drops/${name}/**`);
  throw new LakeError("not-found", `there is no source "${name}"`, { hint: "see: tarn status" });
}
