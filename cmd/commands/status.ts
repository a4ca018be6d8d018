/** `tarn status`: per source and table, how fresh it is, what is set aside, what fails. */

import { counted, thousands } from "../../core/base/quantity.ts";
import { defineTool, type Terminal } from "../command.ts";
import { EXIT } from "../exit.ts";
import { agoText } from "../format/numbers.ts";
import { isTroubled, type Status, statusOf } from "../lake/status.ts";
import { openSession, type Session } from "../open.ts";
import { statusLines } from "../render/status-lines.ts";
import { printable } from "../render/style.ts";

export const command = defineTool({
  name: "status",
  description: "What is running, fresh, waiting, set aside and failing.",
  args: {
    "exit-code": { type: "boolean", description: "exit with 1 when something fails or is stale" },
  },
  examples: ["tarn status", "tarn status --json --exit-code"],
  async run(invocation) {
    const { terminal, args } = invocation;
    await using session = await openSession(invocation, { engine: null });
    const status = await statusOf(session, "new");
    const { engine, sources, streams, models, unclaimed, unreadable, alarms } = status;
    const { goneStreams, goneTables, maintained } = status;
    if (terminal.json) {
      terminal.document({
        schema: "tarn.status/1",
        project: session.config.project,
        engine: engine === null ? null : { ...engine },
        sources: sources.map((each) => ({ ...each })),
        streams: streams.map((each) => ({ ...each })),
        models: models.map((each) => ({ ...each })),
        unclaimed: unclaimed.map(({ path, reason }) => ({ path, reason })),
        alarms: alarms.map(({ windows: _, uncompared: __, ...one }) => one),
        branches: [...status.branches],
        maintained: maintained === null ? null : { ...maintained },
        goneStreams: goneStreams.map((each) => ({ ...each })),
        goneTables: [...goneTables].map(([table, by]) => ({ table, by })),
        unreadable: unreadable.map(({ path, error }) => ({ path, reason: error.message })),
        errors: session.project.errors.map((error) => error.message),
      });
    } else {
      print(terminal, session, status);
      for (const line of asideLines(status)) terminal.line(`  ! ${printable(line)}`);
    }
    return args["exit-code"] === true && isTroubled(status) ? EXIT.data : EXIT.ok;
  },
});

/** What is dropped and not landed: bookkeeping of other writers is a line for all of a kind. */
function asideLines(status: Status): string[] {
  const { unreadable, unclaimed, goneStreams, goneTables, alarms, nowMs } = status;
  const lines = [
    ...unreadable.map(({ path, error }) => `${path}: ${error.message}; ${error.hint ?? ""}`),
    ...unclaimed
      .filter((entry) => !entry.isBookkeeping)
      .map(({ path, reason }) => `${path}: ${reason}`),
  ];
  for (const { table, against, differing, rowsThere, rowsHere, atMs } of alarms) {
    const all = counted(Math.max(rowsThere, rowsHere), "row");
    const others = differing === 1 ? "is" : "are";
    lines.push(
      `${table}: ${thousands(differing)} of ${all} ${others} not as in the ${against} ` +
        `(compared ${agoText(nowMs - atMs)}): tarn reconcile`,
    );
  }
  for (const { stream } of goneStreams) {
    lines.push(
      `${stream} was read, and is not in tarn.yaml any more: if it made a slot at its server, that is still there`,
    );
  }
  for (const [table, by] of goneTables) {
    const what = by === "model" ? "no model makes it" : "no source lands in it";
    lines.push(`${table}: ${what} any more; to take it out of the lake: tarn drop ${table}`);
  }
  const kept = unclaimed.filter((entry) => entry.isBookkeeping);
  for (const [reason, [first, ...others]] of Map.groupBy(kept, (entry) => entry.reason)) {
    const more = others.length === 0 ? "" : ` and ${others.length} more`;
    lines.push(`${first?.path ?? ""}${more}: not landed, ${reason}`);
  }
  return lines;
}

function print(terminal: Terminal, session: Session, status: Status): void {
  const { style } = terminal;
  const { engine, nowMs } = status;
  const running =
    engine === null
      ? "no engine running"
      : `${engine.command} running (pid ${engine.pid}, ${agoText(nowMs - engine.sinceMs)})`;
  terminal.line(`${session.config.project} · ${running}`);
  for (const line of statusLines(status, style)) terminal.line(line);
  const { branches, maintained } = status;
  if (branches.length > 0) terminal.line(`  not main yet: ${branches.join(", ")} (tarn branch)`);
  if (maintained !== null) {
    const age = agoText(nowMs - maintained.timeMs);
    terminal.line(`  maintained ${age}: ${printable(maintained.message)}`);
  }
  for (const error of session.project.errors) terminal.line(`  ${style.red("✖")} ${error.message}`);
  const next = status.models.find((model) => model.failing !== null);
  terminal.note(
    next === undefined ? "next: tarn sql · tarn log" : `next: tarn check · tarn log ${next.model}`,
  );
}
