/** `tarn replay --from-originals`: the selected bronze tables decoded again from the kept originals. */

import { counted, thousands } from "../../core/base/count.ts";
import { LakeError } from "../../core/base/errors.ts";
import { type OriginalsReplayed, replayOriginals } from "../../core/ingest/originals.ts";
import { ancestors } from "../../core/model/graph.ts";
import type { Terminal } from "../command.ts";
import type { ProjectGraph } from "../lake/models.ts";
import type { Session } from "../open.ts";
import type { ReplayArgs } from "./replay.ts";

/** Replays every source that feeds the selection; prints a line for each. */
export async function replaySources(
  session: Session,
  graph: ProjectGraph,
  selected: readonly string[],
  args: ReplayArgs,
  terminal: Terminal,
): Promise<void> {
  const feeding = new Set([...selected, ...ancestors(graph.graph, selected)]);
  await session.drops.refresh();
  const sources = session.drops.sources.filter(({ config }) => feeding.has(config.into));
  if (sources.length === 0) {
    throw new LakeError("not-found", `${args.select.join(" ")} is fed by no source`, {
      hint: "see: tarn status",
    });
  }
  for (const { config } of sources) {
    const options = { dryRun: args.dryRun, why: args.why ?? "replay from originals" };
    const done = await replayOriginals(session.ports, config, session.settings, options);
    print(terminal, config.into, done);
  }
}

function print(terminal: Terminal, table: string, done: OriginalsReplayed): void {
  if (terminal.json) {
    terminal.document({ event: "originals", table, ...done });
    return;
  }
  const rows = counted(done.rowsLanded, "row");
  const aside = done.rowsQuarantined > 0 ? `, ${thousands(done.rowsQuarantined)} set aside` : "";
  terminal.line(`  ${table.padEnd(24)} ${rows}${aside} from ${counted(done.files, "original")}`);
}
