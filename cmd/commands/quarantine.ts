/** `tarn quarantine`: rows set aside: list, show, retry, drop. */

import { LakeError } from "../../core/base/errors.ts";
import { counted } from "../../core/base/quantity.ts";
import type { RetryItem } from "../../core/ingest/retry-item.ts";
import { defineTool, type Invocation, type Terminal } from "../command.ts";
import { countOf } from "../count.ts";
import { EXIT } from "../exit.ts";
import {
  dropQuarantined,
  landableRows,
  type QuarantinedRow,
  quarantineOf,
  type RetryRow,
  retryItems,
  retryQuarantined,
} from "../lake/quarantine.ts";
import { openSession } from "../open.ts";
import { printable } from "../render/style.ts";
import { type EngineCommand, onEngine } from "../serve/engine-command.ts";
import { LINE_CHARS_MAX } from "../serve/wire.ts";

export interface QuarantineArgs {
  readonly action: "retry" | "drop";
  readonly source: string;
  readonly items: readonly RetryRow[];
}

/** Rows shown unless told otherwise. */
const LIST_ROWS = 20;
/** Characters of rows in one request: a fourth of what a line may have, for quotes are escaped in it. */
const REQUEST_CHARS_MAX = LINE_CHARS_MAX / 4;

export const runQuarantine: EngineCommand<QuarantineArgs> = async (session, args, terminal) => {
  const { action, source, items } = args;
  if (action === "drop") {
    await dropQuarantined(session, source, items);
    const rows = counted(items.length, "row");
    terminal.note(`${rows} dropped for good; the originals still hold them`);
    return EXIT.ok;
  }
  const retried = await retryQuarantined(session, source, items);
  const { landed, failed, already, gone, besides, commit } = retried;
  if (terminal.json) {
    const ids = (rows: readonly { readonly id: string }[]): string[] => rows.map(({ id }) => id);
    terminal.document({
      schema: "tarn.quarantine/1",
      landed,
      failed: ids(failed),
      already: [...already],
      gone: ids(gone),
      besides,
      commit,
    });
  } else {
    terminal.note(`${counted(landed, "row")} landed in ${retried.table}`);
    if (besides > 0) terminal.note(`${counted(besides, "other row")} of the same files fit by now`);
    if (already.length > 0)
      terminal.note(counted(already.length, "was in already", "were in already"));
    if (failed.length > 0) {
      const still = counted(failed.length, "still does", "still do");
      terminal.note(`${still} not fit: tarn quarantine show ${retried.source}`);
    }
    sayWhy(terminal, [...failed, ...gone]);
    if (landed > 0) terminal.note("next:  tarn build");
  }
  return failed.length + gone.length > 0 ? EXIT.data : EXIT.ok;
};

/** Each reason once, with how many rows it holds for. */
function sayWhy(terminal: Terminal, rows: readonly { readonly why: string | null }[]): void {
  for (const [why, same] of Map.groupBy(rows, (row) => row.why)) {
    if (why !== null) terminal.note(`${counted(same.length, "row")}: ${printable(why)}`);
  }
}

const ARGS = {
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
} as const;

export const command = defineTool({
  name: "quarantine",
  description: "Rows set aside: list, show SOURCE, retry SOURCE, drop SOURCE.",
  args: ARGS,
  examples: [
    "tarn quarantine list",
    "tarn quarantine show orders",
    "tarn quarantine retry orders --id 3f2a --set amount=19.00",
  ],
  async run(invocation) {
    const { args, terminal } = invocation;
    const [action = "list", source = null] = args._;
    if (action !== "list" && action !== "show" && action !== "retry" && action !== "drop") {
      throw new LakeError("usage", `quarantine has no "${action}"`, {
        hint: "quarantine list, show SOURCE, retry SOURCE, drop SOURCE",
      });
    }
    const rows = await read(invocation, source);
    if (action === "list" && source === null) return summarize(terminal, rows);
    if (action === "list" || action === "show") return show(terminal, rows, countOf(args.limit));
    if (source === null) {
      throw new LakeError("usage", `quarantine ${action} needs a source`, {
        hint: `tarn quarantine ${action} orders`,
      });
    }
    return await onRows(invocation, action, landableRows(rows, action, source));
  },
});

async function read(
  invocation: Invocation<typeof ARGS>,
  source: string | null,
): Promise<readonly QuarantinedRow[]> {
  const { id = null, reason = null, all = false } = invocation.args;
  await using session = await openSession(invocation, { engine: null });
  return await quarantineOf(session, { source, id, reason, all });
}

async function onRows(
  invocation: Invocation<typeof ARGS>,
  action: "retry" | "drop",
  rows: readonly QuarantinedRow[],
): Promise<number> {
  if (rows.length === 0) {
    invocation.terminal.note("no open rows");
    return EXIT.ok;
  }
  const { set = null, raw = null } = invocation.args;
  let code: number = EXIT.ok;
  for (const [source, items] of retryItems(rows, { set, raw })) {
    for (const part of portions(items)) {
      const one = await onEngine(invocation, "quarantine", runQuarantine, {
        action,
        source,
        items: part,
      });
      code = Math.max(code, one);
    }
  }
  return code;
}

/** Requests of a size that the engine's socket takes. */
function portions<T extends RetryItem>(items: readonly T[]): readonly (readonly T[])[] {
  const parts: T[][] = [];
  let room = 0;
  for (const item of items) {
    const given = (item.text ?? item.set ?? "").length;
    const size = item.id.length + item.file.length + item.raw.length + given;
    if (room < size) {
      parts.push([]);
      room = REQUEST_CHARS_MAX;
    }
    parts.at(-1)?.push(item);
    room -= size;
  }
  return parts;
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
    if (item.status !== "open") {
      terminal.line(`  ${item.status}${item.note === null ? "" : `: ${printable(item.note)}`}`);
    }
    const raw = printable(item.raw).slice(0, terminal.width - 2);
    if (raw !== "") terminal.line(`  ${style.dim(raw)}`);
  }
  if (items.length > limit) terminal.note(`… ${items.length - limit} more (--limit)`);
  const [first] = items;
  if (items.some((item) => item.reason === "encoding")) {
    terminal.note("files that are not UTF-8 are read right with encoding: windows-1252 (or what");
    terminal.note("they are) for their source in tarn.yaml; then retry these rows");
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
