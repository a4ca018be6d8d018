/** `tarn build`: lands what is there, then builds what is due, once. */

import { buildOnce } from "../../core/lake.ts";
import { select } from "../../core/model/select.ts";
import type { TableName } from "../../core/table/types.ts";
import { defineTool } from "../command.ts";
import { EXIT } from "../exit.ts";
import type { ProjectGraph } from "../lake/models.ts";
import { BuildScreen } from "../render/screen.ts";
import { type EngineCommand, onEngine } from "../serve/engine-command.ts";

export interface BuildArgs {
  readonly select: readonly string[];
  readonly exclude: readonly string[];
  readonly full: boolean;
  readonly models: boolean;
  readonly sources: boolean;
}

export const runBuild: EngineCommand<BuildArgs> = async (session, args, terminal, signal) => {
  const answer = await session.graph();
  if (answer.kind === "invalid") return terminal.failures(answer.errors);
  const { graph } = answer;
  const chosen = chosenModels(graph, args.select, args.exclude);
  const screen = new BuildScreen(terminal, session.ports.clock.nowMs());
  const summary = await buildOnce(session.ports, session.drops, graph, session.settings, {
    select: args.models ? chosen : new Set(),
    full: args.full,
    land: args.sources,
    waitForSettle: true,
    batchBytes: session.config.batch.bytesMax,
    signal,
    onEvent: (event) => screen.show(event),
  });
  // Who never runs `up` has no other moment in which old files leave the disk.
  if (!signal.aborted) await session.maintain();
  screen.finish(summary, session.ports.clock.nowMs(), session.drops.unclaimed);
  const failed = summary.runs.some((run) => run.kind === "failed") || summary.landFailures > 0;
  return failed ? EXIT.data : EXIT.ok;
};

/** The models that selectors name; null is all. */
export function chosenModels(
  graph: ProjectGraph,
  selectors: readonly string[],
  exclude: readonly string[],
): ReadonlySet<TableName> | null {
  if (selectors.length === 0 && exclude.length === 0) return null;
  const { models, sources } = graph.request;
  return new Set(select(selectors, { graph: graph.graph, models, sources }, exclude));
}

export const command = defineTool({
  name: "build",
  description: "Land what is dropped, then build what is due, once.",
  args: {
    exclude: { type: "string", valueHint: "SEL", description: "leave these models out" },
    full: { type: "boolean", description: "compute the selected models from everything" },
    models: {
      type: "boolean",
      default: true,
      description: "build models",
      negativeDescription: "land only",
    },
    sources: {
      type: "boolean",
      default: true,
      description: "land drops",
      negativeDescription: "build models only",
    },
  },
  examples: ["tarn build", "tarn build silver.orders+", "tarn build --full gold.daily_revenue"],
  run: (invocation) =>
    onEngine(invocation, "build", {
      select: invocation.args._,
      exclude: invocation.args.exclude === undefined ? [] : [invocation.args.exclude],
      full: invocation.args.full === true,
      models: invocation.args.models,
      sources: invocation.args.sources,
    }),
});
