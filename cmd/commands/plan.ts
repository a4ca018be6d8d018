/** `tarn plan`: what a build would do, and why; nothing is changed. */

import { counted } from "../../core/base/count.ts";
import { decideRun, type RunPlan } from "../../core/model/decide.ts";
import { Pins } from "../../core/model/pins.ts";
import { defineTool } from "../command.ts";
import { EXIT } from "../exit.ts";
import { openSession } from "../open.ts";
import { chosenModels } from "./build.ts";

export const command = defineTool({
  name: "plan",
  description: "Say what a build would do and why. Nothing is changed.",
  args: {
    "exit-code": { type: "boolean", description: "exit with 4 when there is something to do" },
  },
  examples: ["tarn plan", "tarn plan silver.orders+ --exit-code"],
  async run(invocation) {
    const { args, terminal } = invocation;
    await using session = await openSession(invocation, { engine: null });
    const answer = await session.graph();
    if (answer.kind === "invalid") return terminal.failures(answer.errors);
    await session.drops.refresh();
    let due = 0;
    const dirty = new Set<string>();
    for (const { config, source } of session.drops.sources) {
      const files = source.waitingFiles;
      if (files === 0) continue;
      due += 1;
      dirty.add(config.into);
      if (terminal.json) terminal.document({ table: config.into, plan: "land", files });
      else terminal.line(`  ${config.into.padEnd(28)} land         ${counted(files, "file")}`);
    }
    const chosen = chosenModels(answer.graph, args._, []);
    const pins = await Pins.take(session.catalog);
    for (const node of answer.graph.nodes) {
      const { name, kind } = node.model;
      // Nothing is built for a view; what it reads is read by those who read it.
      if (kind === "view" && [...dirty].some((parent) => reads(answer, name, parent))) {
        dirty.add(name);
      }
      if (kind === "view" || (chosen !== null && !chosen.has(name))) continue;
      const options = { full: false };
      const decision = await decideRun(session.catalog, pins, answer.graph.names, node, options);
      const plan = describe(
        decision.plan,
        [...dirty].find((parent) => reads(answer, name, parent)),
      );
      if (plan.kind !== "skip") {
        dirty.add(name);
        due += 1;
      }
      if (terminal.json) terminal.document({ table: name, plan: plan.kind, reason: plan.reason });
      else terminal.line(`  ${name.padEnd(28)} ${plan.kind.padEnd(12)} ${plan.reason}`);
    }
    const summary = due === 0 ? "nothing to do" : "nothing was changed; apply with: tarn build";
    terminal.note(summary);
    return due > 0 && args["exit-code"] === true ? EXIT.changed : EXIT.ok;
  },
});

type Answer = Awaited<ReturnType<Awaited<ReturnType<typeof openSession>>["graph"]>>;

function reads(answer: Answer & { kind: "valid" }, model: string, parent: string): boolean {
  return answer.graph.graph.parents.get(model)?.includes(parent) === true;
}

/** A model that is up to date today is due when something it reads is rebuilt before it. */
function describe(plan: RunPlan, parent: string | undefined): { kind: string; reason: string } {
  if (plan.kind !== "skip" || parent === undefined) return plan;
  return { kind: "follow", reason: `after ${parent}` };
}
