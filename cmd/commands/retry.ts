/** `tarn retry`: builds again what failed in its last run, and what waits for it. */

import { counted } from "../../core/base/quantity.ts";
import { defineTool } from "../command.ts";
import { EXIT } from "../exit.ts";
import { failedModels } from "../lake/retry.ts";
import { type EngineCommand, onEngine } from "../serve/engine-command.ts";
import { runBuild } from "./build.ts";

export const runRetry: EngineCommand<{ readonly sources: boolean }> = async (
  session,
  { sources },
  terminal,
  signal,
) => {
  const select = await failedModels(session);
  if (select.length === 0) {
    terminal.note("nothing failed in its last run");
    return EXIT.ok;
  }
  terminal.note(`${counted(select.length, "model")} that failed or waits: ${select.join(", ")}`);
  const request = { select, exclude: [], full: false, models: true, sources };
  return await runBuild(session, request, terminal, signal);
};

export const command = defineTool({
  name: "retry",
  description: "Build again what failed in its last run, and what waits for it.",
  args: {
    sources: {
      type: "boolean",
      default: true,
      description: "land drops first",
      negativeDescription: "build models only",
    },
  },
  examples: ["tarn retry"],
  run(invocation) {
    const { sources } = invocation.args;
    return onEngine(invocation, "retry", runRetry, { sources }, { shows: true });
  },
});
