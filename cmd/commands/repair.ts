/** `tarn repair`: windows that rows came too late for, computed again with them. */

import { defineTool } from "../command.ts";
import { EXIT } from "../exit.ts";
import { hasFailed } from "../lake/build.ts";
import { type RepairRequest, repairOf } from "../lake/repair.ts";
import { BuildScreen, following } from "../render/screen.ts";
import { type EngineCommand, onEngine } from "../serve/engine-command.ts";

export const runRepair: EngineCommand<RepairRequest> = async (session, args, terminal, signal) => {
  const screen = new BuildScreen(terminal, session.ports.clock.nowMs());
  await screen.watch();
  const summary = await repairOf(session, args, following(screen, signal)).finally(() =>
    screen.stop(),
  );
  screen.finish(summary, session.ports.clock.nowMs(), []);
  return hasFailed(summary) ? EXIT.data : EXIT.ok;
};

export const command = defineTool({
  name: "repair",
  description:
    "Compute again the windows that rows came too late for (<table>_late), and what reads them.",
  args: {},
  examples: ["tarn repair", "tarn repair gold.hourly"],
  run(invocation) {
    const request = { select: invocation.args._ };
    return onEngine(invocation, "repair", runRepair, request, { shows: true });
  },
});
