/** `tarn ls`: sources, tables and models of the project. */

import { counted } from "../../core/base/quantity.ts";
import { defineTool, SELECTION_ARGS, selectionOf, type Terminal } from "../command.ts";
import { EXIT } from "../exit.ts";
import { agoText } from "../format/numbers.ts";
import { ICEBERG_VIEW, type Listed, selectedListing } from "../lake/listing.ts";
import { openSession } from "../open.ts";

const GONE = {
  model: "no model makes it any more",
  source: "no source lands in it any more",
} as const;

export const command = defineTool({
  name: "ls",
  description: "List tables and models, with rows and age.",
  args: { ...SELECTION_ARGS },
  examples: ["tarn ls", "tarn ls +gold.daily_revenue", "tarn ls --json"],
  async run(invocation) {
    const { args, terminal } = invocation;
    await using session = await openSession(invocation, { engine: null });
    const listed = await selectedListing(session, selectionOf(args));
    const nowMs = session.ports.clock.nowMs();
    const rows = listed.map((each) => cellsOf(each, nowMs));
    const widths = [0, 1, 2].map((at) =>
      Math.max(0, ...rows.map((cells) => (cells[at] ?? "").length)),
    );
    for (const [index, each] of listed.entries()) print(terminal, each, rows[index] ?? [], widths);
    const { select, exclude } = selectionOf(args);
    const isAll = select.length + exclude.length === 0;
    if (listed.length === 0 && !isAll) terminal.note("nothing is selected");
    if (listed.length === 0 && isAll)
      terminal.note("nothing yet: put files under drops/<name>/, then: tarn build");
    return EXIT.ok;
  },
});

function isWithoutRows(kind: string): boolean {
  return kind === "view" || kind === "ephemeral" || kind === ICEBERG_VIEW;
}

/** Name, kind, rows and age, as people read them. */
function cellsOf({ name, kind, rows, updatedMs, gone }: Listed, nowMs: number): readonly string[] {
  const count = rows === null ? "" : counted(rows, "row");
  const age = updatedMs === null ? "not built" : agoText(nowMs - updatedMs);
  const isSeed = gone !== null && kind === "seed";
  const left = gone === null ? "" : `   ${isSeed ? "its seed is gone" : GONE[gone]}`;
  return [name, kind, count, isWithoutRows(kind) ? "" : `${age}${left}`];
}

function print(
  terminal: Terminal,
  { name, kind, rows, updatedMs, gone }: Listed,
  [shown = "", what = "", count = "", age = ""]: readonly string[],
  [nameWidth = 0, kindWidth = 0, countWidth = 0]: readonly number[],
): void {
  if (terminal.json) {
    terminal.document({ table: name, kind, rows, updated_ms: updatedMs, gone });
    return;
  }
  const cells = [shown.padEnd(nameWidth), what.padEnd(kindWidth), count.padStart(countWidth), age];
  terminal.line(cells.join("   ").trimEnd());
}
