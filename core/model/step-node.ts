/** Models whose rows a program makes, as runs and replays take them; programs are loaded with the first of them. */

import type { Binding } from "../engine.ts";
import type { RunPorts } from "./model-table.ts";
import type { Stepped, SteppedJob } from "./stepped.ts";

/** The model as it is, or with what its program made of the rows of its query. */
export async function steppedNode(
  ports: RunPorts,
  job: SteppedJob,
  bindings: readonly Binding[],
): Promise<Stepped> {
  const { node } = job;
  const { step } = node.model;
  if (step === null) return { node, bindings };
  const { stepped } = await import("./stepped.ts");
  return stepped(ports, job, step, bindings);
}
