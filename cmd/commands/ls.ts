/** `tarn ls`: sources, tables and models of the project. */

import { counted } from "../../core/base/count.ts";
import { compareCodePoints } from "../../core/base/order.ts";
import { defineTool } from "../command.ts";
import { EXIT } from "../exit.ts";
import { openSession } from "../open.ts";
import { agoText } from "../render/numbers.ts";

export const command = defineTool({
  name: "ls",
  description: "List tables and models, with rows and age.",
  args: {},
  examples: ["tarn ls", "tarn ls --json"],
  async run(invocation) {
    const { terminal } = invocation;
    await using session = await openSession(invocation, { engine: null });
    const kindByName = new Map(session.project.models.map((model) => [model.name, model.kind]));
    const nowMs = session.ports.clock.nowMs();
    const rows: { name: string; kind: string; rows: bigint | null; at: number | null }[] = [];
    for (const head of await session.catalog.tables()) {
      const table = await session.catalog.load(head.name);
      const total = table?.current?.summary["total-records"];
      const kind = kindByName.get(head.name) ?? "table";
      kindByName.delete(head.name);
      const at = table?.current?.timestampMs ?? null;
      rows.push({ name: head.name, kind, rows: total === undefined ? null : BigInt(total), at });
    }
    for (const [name, kind] of kindByName) rows.push({ name, kind, rows: null, at: null });
    rows.sort((a, b) => compareCodePoints(a.name, b.name));
    for (const row of rows) {
      if (terminal.json) {
        terminal.document({ table: row.name, kind: row.kind, rows: row.rows, updated_ms: row.at });
        continue;
      }
      const count = row.rows === null ? "" : counted(row.rows, "row");
      const age = row.at === null ? "not built" : agoText(nowMs - row.at);
      const built = row.kind === "view" ? "" : age;
      terminal.line(
        `${row.name.padEnd(32)} ${row.kind.padEnd(8)} ${count.padStart(16)}   ${built}`,
      );
    }
    if (rows.length === 0)
      terminal.note("nothing yet: put files under drops/<name>/, then: tarn build");
    return EXIT.ok;
  },
});
