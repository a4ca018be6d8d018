/** `tarn quarantine`: rows set aside: list, show, retry, drop, export, load. */

import { LakeError } from "../../core/base/errors.ts";
import { counted } from "../../core/base/quantity.ts";
import { nearestWord } from "../../core/base/suggest.ts";
import { hintsFor } from "../../core/ingest/quarantine.ts";
import { defineTool, type Terminal } from "../command.ts";
import { countOf } from "../count.ts";
import { EXIT } from "../exit.ts";
import { asidePages, type QuarantinedRow, type Selection } from "../lake/aside.ts";
import { type AsideCount, asideCounts } from "../lake/quarantine.ts";
import { openSession } from "../open.ts";
import { printable } from "../render/style.ts";
import { onEngine } from "../serve/engine-command.ts";
import { QUARANTINE_ARGS, type QuarantineCall } from "./quarantine-call.ts";
import { type QuarantineArgs, runQuarantine } from "./quarantine-run.ts";

/** More rows than this are not counted to be shown. */
const COUNTED_ROWS_MAX = 10_000;
const ACTIONS = ["list", "show", "retry", "drop", "export", "load"] as const;

export const command = defineTool({
  name: "quarantine",
  description:
    "Rows set aside: list, show SOURCE, retry SOURCE, drop SOURCE, export SOURCE, load FILE.",
  args: QUARANTINE_ARGS,
  examples: [
    "tarn quarantine list",
    "tarn quarantine show orders --where \"raw like '%,%'\"",
    "tarn quarantine retry orders --reason type --set \"amount = replace(amount, ',', '.')\" --dry-run",
    "tarn quarantine export orders -o bad.csv   # edit its last column, then:",
    "tarn quarantine load bad.csv",
  ],
  async run(invocation) {
    const [action = "list", subject = null] = invocation.args._;
    switch (ACTIONS.find((known) => known === action)) {
      case "list":
        return subject === null ? await list(invocation) : await show(invocation, subject);
      case "show":
        return await show(invocation, subject);
      case "retry":
      case "drop":
        return await change(invocation, action === "drop" ? "drop" : "retry", subject);
      case "export": {
        const { exportRows } = await import("./quarantine-files.ts");
        const { out = null } = invocation.args;
        return await exportRows(invocation, selectionOf(invocation, needed(action, subject)), out);
      }
      case "load": {
        const { loadRows } = await import("./quarantine-files.ts");
        return await loadRows(
          invocation,
          needed(action, subject),
          invocation.args["dry-run"] === true,
        );
      }
      case undefined:
        throw noAction(action);
    }
  },
});

function noAction(action: string): LakeError {
  const near = nearestWord(action, ACTIONS);
  return new LakeError("usage", `quarantine has no "${action}"`, {
    hint:
      near === null
        ? "quarantine list, show SOURCE, retry SOURCE, drop SOURCE, export SOURCE, load FILE"
        : `did you mean: tarn quarantine ${near}`,
  });
}

function needed(action: string, subject: string | null): string {
  if (subject !== null) return subject;
  const what = action === "load" ? "file" : "source";
  throw new LakeError("usage", `quarantine ${action} needs a ${what}`, {
    hint: `tarn quarantine ${action} ${action === "load" ? "bad.csv" : "orders"}`,
  });
}

function selectionOf({ args }: QuarantineCall, source: string | null): Selection {
  const { id = "", reason = null, where = null, all = false } = args;
  const ids = id.split(",").filter((one) => one !== "");
  return { source, ids, reason, where, all };
}

async function change(
  invocation: QuarantineCall,
  action: "retry" | "drop",
  subject: string | null,
): Promise<number> {
  const { set = null, raw = null } = invocation.args;
  const args: QuarantineArgs = {
    action,
    selection: selectionOf(invocation, needed(action, subject)),
    set,
    raw,
    texts: null,
    dryRun: invocation.args["dry-run"] === true,
  };
  return await onEngine(invocation, "quarantine", runQuarantine, args);
}

async function list(invocation: QuarantineCall): Promise<number> {
  const { terminal } = invocation;
  const selection = selectionOf(invocation, null);
  if (selection.ids.length > 0 || selection.where !== null) return await show(invocation, null);
  await using session = await openSession(invocation, { engine: null });
  const counts = await asideCounts(session, selection);
  for (const { table, reason, rows } of counts) {
    if (terminal.json) terminal.document({ table, reason, rows });
    else terminal.line(`${table.padEnd(32)} ${reason.padEnd(14)} ${counted(rows, "row")}`);
  }
  if (counts.length === 0) terminal.note("nothing is set aside");
  else {
    for (const hint of hintsOf(counts)) terminal.note(hint);
    terminal.note("next:  tarn quarantine show SOURCE");
  }
  return EXIT.ok;
}

function hintsOf(counts: readonly AsideCount[]): readonly string[] {
  return [...Map.groupBy(counts, ({ source }) => source)].flatMap(([source, own]) =>
    hintsFor(source, new Set(own.map(({ reason }) => reason))),
  );
}

async function show(invocation: QuarantineCall, source: string | null): Promise<number> {
  const { terminal, args } = invocation;
  const limit = countOf(args.limit);
  await using session = await openSession(invocation, { engine: null });
  let first: QuarantinedRow | null = null;
  const reasons = new Set<string>();
  let shown = 0;
  let more = 0;
  const selection = selectionOf(invocation, source);
  for await (const rows of asidePages(session, selection, COUNTED_ROWS_MAX)) {
    for (const row of rows) {
      first ??= row;
      reasons.add(row.reason);
      if (shown >= limit) more += 1;
      else {
        showRow(terminal, row);
        shown += 1;
      }
    }
    if (more >= COUNTED_ROWS_MAX) break;
  }
  const least = more >= COUNTED_ROWS_MAX ? `at least ${counted(more, "more row")}` : `${more} more`;
  if (more > 0) terminal.note(`… ${least} (--limit)`);
  if (first === null) terminal.note("no open rows");
  else {
    for (const hint of hintsFor(first.source, reasons)) terminal.note(hint);
    terminal.note(nextStep(first));
  }
  return EXIT.ok;
}

function nextStep({ source, id, position }: QuarantinedRow): string {
  const retry = `tarn quarantine retry ${source} --id ${id.slice(0, 8)}`;
  return position === "file"
    ? `next:  mend the file and drop it again, or mend tarn.yaml and: ${retry}`
    : `next:  ${retry} --set "column = 'value'"`;
}

function showRow(terminal: Terminal, item: QuarantinedRow): void {
  const { style } = terminal;
  if (terminal.json) {
    terminal.document({ ...item });
    return;
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
