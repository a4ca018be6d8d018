/** `tarn log`: what happened to a table, or to the whole lake. */

import { LakeError } from "../../core/base/errors.ts";
import { counted, thousands } from "../../core/base/quantity.ts";
import { defineTool, type Terminal } from "../command.ts";
import { EXIT } from "../exit.ts";
import { agoText } from "../format/numbers.ts";
import { cellText } from "../format/text.ts";
import { type LogEntry, logOf } from "../lake/log.ts";
import { openSession } from "../open.ts";
import { printable } from "../render/style.ts";

export const command = defineTool({
  name: "log",
  description: "Commits of a table, or of the whole lake, newest first.",
  args: {
    limit: { type: "string", default: "20", valueHint: "N", description: "commits to show" },
  },
  examples: ["tarn log silver.orders", "tarn log --limit 100"],
  async run(invocation) {
    const { args, terminal } = invocation;
    await using session = await openSession(invocation, { engine: null });
    const limit = Number(args.limit);
    if (!Number.isInteger(limit) || limit < 1) {
      throw new LakeError("usage", `--limit ${args.limit} is not a count`);
    }
    const [asked = null] = args._;
    const { table, entries, failure } = await logOf(session, { table: asked, limit });
    const nowMs = session.ports.clock.nowMs();
    const timeOf = commitTime(session.config.timezone);
    if (failure !== null && !terminal.json) {
      const when = `${timeOf(failure.endedMs)}  ${agoText(nowMs - failure.endedMs).padEnd(10)}`;
      const why = printable(failure.error ?? "");
      terminal.line(`     ${terminal.style.red("✖")}  ${when} failed   ${why}`);
    }
    for (const entry of entries) {
      if (terminal.json) document(terminal, entry);
      else lines(terminal, entry, { table, nowMs, timeOf });
    }
    if (entries.length === 0) terminal.note("no commits yet");
    return EXIT.ok;
  },
});

interface Listing {
  /** Only entries of this one. */
  readonly table: string | null;
  readonly nowMs: number;
  timeOf(timeMs: number): string;
}

/** As it may be given to AT and --to: zoneless, in the project's zone, to the millisecond. */
function commitTime(timezone: string): (timeMs: number) => string {
  const text = cellText({ kind: "timestamp", unit: "ms", zoned: true, text: "" }, timezone);
  return (timeMs) => {
    const [, second = "", millis = ""] = /^(.{19})(\.\d+)?/.exec(text(BigInt(timeMs)) ?? "") ?? [];
    return `${second}${(millis === "" ? "." : millis).padEnd(4, "0")}`;
  };
}

function lines(terminal: Terminal, commit: LogEntry, { table, nowMs, timeOf }: Listing): void {
  const { style } = terminal;
  const time = timeOf(commit.timeMs);
  const age = agoText(nowMs - commit.timeMs);
  const tag = commit.tags.map((name) => style.yellow(` ● ${name}`)).join("");
  const entries = commit.tables.filter((entry) => table === null || entry.name === table);
  const number = String(commit.number).padStart(6);
  const head = `${number}  ${time}  ${age.padEnd(10)} ${commit.kind.padEnd(8)}`;
  if (entries.length === 0) terminal.line(`${head} ${style.dim(commit.message)}${tag}`);
  for (const entry of entries) {
    const delta = [
      entry.addedRecords > 0n ? `+${thousands(entry.addedRecords)}` : "",
      entry.deletedRecords > 0n ? `-${thousands(entry.deletedRecords)}` : "",
    ].filter((text) => text !== "");
    const name = `${entry.name}@${entry.sequenceNumber}`;
    // A whole lake's log is wide enough without it.
    const id = table === null ? "" : `${String(entry.snapshotId ?? "").padEnd(19)}  `;
    const rows = `${delta.join(" ")} = ${counted(entry.totalRecords, "row")}`;
    terminal.line(
      `${head} ${name.padEnd(28)} ${id}${rows.padEnd(28)} ${style.dim(commit.message)}${tag}`,
    );
  }
}

function document(terminal: Terminal, commit: LogEntry): void {
  terminal.document({
    commit: commit.number,
    time: new Date(commit.timeMs).toISOString(),
    kind: commit.kind,
    message: commit.message,
    tags: commit.tags,
    tables: commit.tables.map((entry) => ({
      table: entry.name,
      snapshot_id: entry.snapshotId,
      parent_id: entry.parentId,
      sequence_number: entry.sequenceNumber,
      operation: entry.operation,
      added_records: entry.addedRecords,
      deleted_records: entry.deletedRecords,
      total_records: entry.totalRecords,
    })),
  });
}
