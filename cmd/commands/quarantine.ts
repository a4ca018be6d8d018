/** `tarn quarantine`: rows set aside: list, show, retry, drop. */

import { counted } from "../../core/base/count.ts";
import { LakeError } from "../../core/base/errors.ts";
import type { Json } from "../../core/base/json.ts";
import { isJsonObject } from "../../core/base/json.ts";
import type { FileSourceConfig } from "../../core/ingest/contract.ts";
import { quarantineTable } from "../../core/ingest/quarantine.ts";
import { type RetryItem, retryRows } from "../../core/ingest/retry.ts";
import { defineTool, type Terminal } from "../command.ts";
import { countOf } from "../count.ts";
import { EXIT } from "../exit.ts";
import { correct, headerOf } from "../lake/correction.ts";
import { lakeRows } from "../lake/query.ts";
import { type OpenFlags, openSession, type Session } from "../open.ts";
import { printable } from "../render/style.ts";
import { type EngineCommand, onEngine } from "../serve/engine-command.ts";
import { LINE_CHARS_MAX } from "../serve/wire.ts";

export interface QuarantineArgs {
  readonly action: "retry" | "drop";
  readonly source: string;
  readonly items: readonly (RetryItem & Record<string, Json>)[];
}

/** Rows shown unless told otherwise, and rows that one command takes up. */
const LIST_ROWS = 20;
const RETRY_ROWS_MAX = 100_000;
/** Characters of rows in one request: a fourth of what a line may have, for quotes are escaped in it. */
const REQUEST_CHARS_MAX = LINE_CHARS_MAX / 4;

export const runQuarantine: EngineCommand<QuarantineArgs> = async (session, args, terminal) => {
  const nowMs = session.ports.clock.nowMs();
  if (args.action === "drop") {
    const { ledger } = session.catalog;
    const config = await sourceConfig(session, args.source);
    await ledger.addFixes(
      args.items.map((item) => ({
        id: item.id,
        source: config.name,
        table: config.into,
        action: "drop",
        raw: null,
        place: item.place,
        createdMs: nowMs,
      })),
    );
    await ledger.addQuarantineEvents(
      args.items.map((item) => ({
        id: item.id,
        status: "dropped",
        timeMs: nowMs,
        batch: "",
        note: null,
      })),
    );
    terminal.note(
      `${counted(args.items.length, "row")} dropped for good; the originals still hold them`,
    );
    return EXIT.ok;
  }
  const config = await sourceConfig(session, args.source);
  const retried = await retryRows(session.ports, config, args.items, session.settings);
  if (terminal.json) {
    terminal.document({
      schema: "tarn.quarantine/1",
      landed: retried.landed,
      failed: [...retried.failed],
      already: [...retried.already],
      commit: retried.commit,
    });
  } else {
    terminal.note(`${counted(retried.landed, "row")} landed in ${config.into}`);
    if (retried.already.length > 0)
      terminal.note(counted(retried.already.length, "was in already", "were in already"));
    if (retried.failed.length > 0) {
      terminal.note(
        `${counted(retried.failed.length, "still does", "still do")} not fit: tarn quarantine show ${config.name}`,
      );
    }
    if (retried.landed > 0) terminal.note("next:  tarn build");
  }
  return retried.failed.length > 0 ? EXIT.data : EXIT.ok;
};

export const command = defineTool({
  name: "quarantine",
  description: "Rows set aside: list, show SOURCE, retry SOURCE, drop SOURCE.",
  args: {
    id: { type: "string", valueHint: "ID", description: "one row, by the start of its id" },
    set: { type: "string", valueHint: "COL=VALUE", description: "correct a field before retrying" },
    raw: { type: "string", valueHint: "TEXT", description: "the whole corrected row, with --id" },
    reason: { type: "string", valueHint: "WORD", description: "only rows with this reason" },
    limit: {
      type: "string",
      default: String(LIST_ROWS),
      valueHint: "N",
      description: "rows to show",
    },
    all: { type: "boolean", description: "also rows that are fixed, dropped or superseded" },
  },
  examples: [
    "tarn quarantine list",
    "tarn quarantine show orders",
    "tarn quarantine retry orders --id 3f2a --set amount=19.00",
  ],
  async run(invocation) {
    const { args, terminal } = invocation;
    const [action = "list", source] = args._;
    if (action !== "list" && action !== "show" && action !== "retry" && action !== "drop") {
      throw new LakeError("usage", `quarantine has no "${action}"`, {
        hint: "quarantine list, show SOURCE, retry SOURCE, drop SOURCE",
      });
    }
    const items = await readItems(invocation, source ?? null);
    if (action === "list" && source === undefined) return summarize(terminal, items);
    const wanted = items.filter((item) => args.id === undefined || item.id.startsWith(args.id));
    if (action === "list" || action === "show") return show(terminal, wanted, countOf(args.limit));
    if (source === undefined) {
      throw new LakeError("usage", `quarantine ${action} needs a source`, {
        hint: `tarn quarantine ${action} orders`,
      });
    }
    const rows = retryable(wanted, action, source).slice(0, RETRY_ROWS_MAX);
    if (rows.length === 0) {
      terminal.note("no open rows");
      return EXIT.ok;
    }
    if (args.raw !== undefined && rows.length > 1) {
      throw new LakeError("usage", `--raw is one row, and ${rows.length} are meant`, {
        hint: "name the row with --id; see: tarn quarantine show",
      });
    }
    let code: number = EXIT.ok;
    // By the source that each row came through: several may land in one table.
    for (const [from, group] of Map.groupBy(rows, (row) => row.source)) {
      const items: Awaited<ReturnType<typeof prepare>>[] = [];
      // In order, so that the first row at fault is the one that is named.
      for (const row of group) items.push(await prepare(row, args));
      for (const part of portions(items)) {
        const one = await onEngine(invocation, "quarantine", { action, source: from, items: part });
        code = Math.max(code, one);
      }
    }
    return code;
  },
});

/** Rows that a model set aside have no text to land: their model or its input is mended instead. */
function retryable(
  rows: readonly QuarantinedRow[],
  action: string,
  source: string,
): readonly QuarantinedRow[] {
  const dropped = rows.filter((row) => row.source !== modelOf(row.table));
  const [first] = rows;
  const model = first === undefined ? "" : modelOf(first.table);
  if (first === undefined || dropped.length > 0 || modelOf(source) !== model) return dropped;
  throw new LakeError("usage", `${model} set these rows aside by its own rules`, {
    hint: `there is nothing to ${action}: mend the model or its input, then: tarn build ${model}`,
  });
}

/** `silver_quarantine.orders` is beside `silver.orders`. */
function modelOf(table: string): string {
  return table.replace("_quarantine.", ".");
}

interface QuarantinedRow {
  readonly table: string;
  readonly id: string;
  readonly source: string;
  readonly file: string;
  readonly position: string;
  readonly column: string | null;
  readonly reason: string;
  readonly message: string;
  readonly raw: string;
  readonly original: string | null;
  readonly place: { readonly sha256: string; readonly position: string };
}

/** Open rows, newest batch last; each with the kept original of its file. */
async function readItems(
  invocation: OpenFlags & {
    readonly args: { readonly reason?: string | undefined; readonly all?: boolean | undefined };
  },
  source: string | null,
): Promise<QuarantinedRow[]> {
  await using session = await openSession(invocation, { engine: null });
  const events = await session.catalog.ledger.quarantineEvents();
  const closed = new Set(
    events.filter((event) => event.status !== "open").map((event) => event.id),
  );
  const heads = await session.catalog.tables();
  const tables = heads.map((head) => head.name).filter((name) => name.includes("_quarantine."));
  const rows: QuarantinedRow[] = [];
  for (const table of tables) {
    const found = await lakeRows(
      session,
      `select * from ${quoted(table)} order by "_batch", file, line, id`,
    );
    const files = await session.catalog.ledger.files({});
    const originalBySha = new Map(files.map((file) => [file.sha256, file.original]));
    for (const row of found) {
      const item = toRow(table, row, originalBySha, session.warehouse);
      if (source !== null && item.source !== source && !matches(table, source)) continue;
      if (invocation.args.all !== true && closed.has(item.id)) continue;
      if (invocation.args.reason !== undefined && item.reason !== invocation.args.reason) continue;
      rows.push(item);
    }
  }
  return rows;
}

/** `orders` is what any layer set aside of it, `bronze.orders` and `bronze_quarantine.orders` are one table. */
function matches(table: string, source: string): boolean {
  if (!source.includes(".")) return table.endsWith(`.${source}`);
  return table === source || table === quarantineTable(source);
}

/** Requests of a size that the engine's socket takes. */
function portions<T extends RetryItem>(items: readonly T[]): readonly (readonly T[])[] {
  const parts: T[][] = [];
  let room = 0;
  for (const item of items) {
    const size = item.id.length + item.file.length + item.raw.length + item.text.length;
    if (room < size) {
      parts.push([]);
      room = REQUEST_CHARS_MAX;
    }
    parts.at(-1)?.push(item);
    room -= size + (item.header?.length ?? 0);
  }
  return parts;
}

/** Names of tables have no quotes in them (core/table/name.ts). */
function quoted(table: string): string {
  return table
    .split(".")
    .map((part) => `"${part}"`)
    .join(".");
}

function toRow(
  table: string,
  row: Record<string, Json>,
  originalBySha: ReadonlyMap<string, string | null>,
  warehouse: string,
): QuarantinedRow {
  const text = (name: string): string => {
    const value = row[name];
    return typeof value === "string"
      ? value
      : value === null || value === undefined
        ? ""
        : String(value);
  };
  const original = originalBySha.get(text("file_sha256")) ?? null;
  return {
    table,
    id: text("id"),
    source: text("source"),
    file: text("file"),
    position: text("position"),
    column: text("column_name") === "" ? null : text("column_name"),
    reason: text("reason"),
    message: text("message"),
    raw: text("raw"),
    original: original === null ? null : `${warehouse}/${original}`,
    place: { sha256: text("file_sha256"), position: text("position") },
  };
}

function summarize(terminal: Terminal, items: readonly QuarantinedRow[]): number {
  const groups = Map.groupBy(items, (item) => `${item.table}\t${item.reason}`);
  for (const [key, rows] of groups) {
    const [table = "", reason = ""] = key.split("\t");
    if (terminal.json) terminal.document({ table, reason, rows: rows.length });
    else terminal.line(`${table.padEnd(32)} ${reason.padEnd(14)} ${counted(rows.length, "row")}`);
  }
  if (items.length === 0) terminal.note("nothing is set aside");
  else terminal.note("next:  tarn quarantine show SOURCE");
  return EXIT.ok;
}

function show(terminal: Terminal, items: readonly QuarantinedRow[], limit: number): number {
  const { style } = terminal;
  for (const item of items.slice(0, limit)) {
    if (terminal.json) {
      terminal.document({ ...item });
      continue;
    }
    const column = item.column === null ? "" : `, column ${item.column}`;
    const place = printable(`${item.file}, ${item.position}${column}`);
    terminal.line(`${style.bold(item.id.slice(0, 12))}  ${place}`);
    terminal.line(`  ${style.yellow(item.reason)}: ${printable(item.message)}`);
    const raw = printable(item.raw).slice(0, terminal.width - 2);
    if (raw !== "") terminal.line(`  ${style.dim(raw)}`);
  }
  if (items.length > limit) terminal.note(`… ${items.length - limit} more (--limit)`);
  const [first] = items;
  if (items.some((item) => item.reason === "encoding")) {
    terminal.note("files that are not UTF-8 are read right with encoding: windows-1252 (or what");
    terminal.note("they are) for their source in tarn.yaml, from the next one on");
  }
  if (first !== undefined) {
    const source = first.source;
    const retry = `tarn quarantine retry ${source} --id ${first.id.slice(0, 8)}`;
    terminal.note(
      first.position === "file"
        ? `next:  mend the file and drop it again, or mend tarn.yaml and: ${retry}`
        : `next:  ${retry} --set column=value`,
    );
  } else terminal.note("no open rows");
  return EXIT.ok;
}

async function prepare(
  row: QuarantinedRow,
  args: { readonly set?: string | undefined; readonly raw?: string | undefined },
): Promise<RetryItem & Record<string, Json>> {
  // Rows that are counted and not lines were set aside as JSON, whatever their file is.
  const isCounted = row.position.startsWith("row ");
  const header = isCounted ? null : await headerOf(row.file, row.original);
  const text = args.raw ?? (args.set === undefined ? row.raw : correct(row.raw, header, args.set));
  return { id: row.id, file: row.file, raw: row.raw, text, header, place: row.place };
}

async function sourceConfig(session: Session, name: string): Promise<FileSourceConfig> {
  await session.drops.refresh();
  const found = session.drops.sources.find(
    ({ config }) =>
      config.name === name || config.into === name || config.into === `bronze.${name}`,
  );
  if (found !== undefined) return found.config;
  const { defaultSource } = await import("../../core/config/file-source.ts");
  const known = await session.catalog.ledger.contract(name);
  if (known !== null && isJsonObject(known)) return defaultSource(name, `drops/${name}/**`);
  throw new LakeError("not-found", `there is no source "${name}"`, { hint: "see: tarn status" });
}
