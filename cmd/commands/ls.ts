/** `tarn ls`: sources, tables and models of the project. */

import { counted } from "../../core/base/quantity.ts";
import { defineTool, type Terminal } from "../command.ts";
import { EXIT } from "../exit.ts";
import { agoText } from "../format/numbers.ts";
import { type Listed, listingOf } from "../lake/listing.ts";
import { openSession } from "../open.ts";

export const command = defineTool({
  name: "ls",
  description: "List tables and models, with rows and age.",
  args: {},
  examples: ["tarn ls", "tarn ls --json"],
  async run(invocation) {
    const { terminal } = invocation;
    await using session = await openSession(invocation, { engine: null });
    const listed = await listingOf(session);
    for (const each of listed) print(terminal, each, session.ports.clock.nowMs());
    if (listed.length === 0)
      terminal.note("nothing yet: put files under drops/<name>/, then: tarn build");
    return EXIT.ok;
  },
});

function print(terminal: Terminal, { name, kind, rows, updatedMs }: Listed, nowMs: number): void {
  if (terminal.json) {
    terminal.document({ table: name, kind, rows, updated_ms: updatedMs });
    return;
  }
  const count = rows === null ? "" : counted(rows, "row");
  const age = updatedMs === null ? "not built" : agoText(nowMs - updatedMs);
  const built = kind === "view" ? "" : age;
  terminal.line(`${name.padEnd(32)} ${kind.padEnd(8)} ${count.padStart(16)}   ${built}`);
}
