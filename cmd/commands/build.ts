/** `tarn build`: lands what is there, then builds what is due, once. */

import { defineTool, SELECTION_ARGS, selectionOf } from "../command.ts";
import { EXIT } from "../exit.ts";
import { buildOf, hasFailed } from "../lake/build.ts";
import type { BuildRequest } from "../lake/build-request.ts";
import { readOtherwise } from "../lake/reread.ts";
import type { Session } from "../open.ts";
import { projectRoot } from "../project/project.ts";
import { BuildScreen, following } from "../render/screen.ts";
import { type EngineCommand, onEngine } from "../serve/engine-command.ts";

export const runBuild: EngineCommand<BuildRequest> = async (session, args, terminal, signal) => {
  const screen = new BuildScreen(terminal, session.ports.clock.nowMs());
  await screen.watch();
  const summary = await buildOf(session, args, following(screen, signal)).finally(() =>
    screen.stop(),
  );
  screen.finish(summary, session.ports.clock.nowMs(), (await session.drops()).unclaimed);
  if (!terminal.json) {
    for (const left of leftOut(session)) terminal.note(left);
    for (const { config, reasons } of await readOtherwise(session)) {
      terminal.note(`${config.into}: ${reasons.join("; ")}: tarn reread ${config.name} --dry-run`);
    }
  }
  return hasFailed(summary) ? EXIT.data : EXIT.ok;
};

/** Parts of a dbt project that are not run. */
function leftOut({ project }: Session): readonly string[] {
  if (project.dbt === undefined) return [];
  return project.warnings.map(({ message, place, hint }) => {
    const where = place === null ? "" : ` (${place.file}:${place.line})`;
    return `${message}${where}${hint === null ? "" : `: ${hint}`}`;
  });
}

export const command = defineTool({
  name: "build",
  description: "Land what is dropped, then build what is due, once.",
  args: {
    ...SELECTION_ARGS,
    branch: {
      type: "string",
      valueHint: "NAME",
      description: "build what is edited, and what reads it, on this branch alone",
    },
    full: { type: "boolean", description: "compute the selected models from everything" },
    wait: {
      type: "boolean",
      description: "beside another command that changes the lake, wait for it",
    },
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
  examples: [
    "tarn build",
    "tarn build silver.orders+",
    "tarn build --full gold.daily_revenue",
    "tarn build --branch fix",
  ],
  async run(invocation) {
    const { args } = invocation;
    const branch = args.branch ?? null;
    const request = {
      ...selectionOf(args),
      full: args.full === true,
      models: args.models,
      sources: args.sources,
      branch,
      root: branch === null ? null : await projectRoot(invocation),
    };
    return await onEngine(invocation, "build", runBuild, request, {
      waits: args.wait === true,
      shows: true,
    });
  },
});
