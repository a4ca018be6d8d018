/** Models as they last published: the recorded text of each, parsed and analysed again. */

import { LakeError } from "../../core/base/errors.ts";
import { analyzeRequest, type ModelNode } from "../../core/model/node.ts";
import { parseModel } from "../../core/model/parse.ts";
import type { Session } from "../open.ts";
import { MODEL_TOOLS } from "../project/project.ts";
import { parseYaml } from "../project/yaml.ts";

/** The same models with the text of their last published run. Throws `not-found` for one that never published. */
export async function recordedNodes(
  session: Session,
  nodes: readonly ModelNode[],
): Promise<ModelNode[]> {
  const { runs } = session.catalog;
  const recorded: ModelNode[] = [];
  for (const node of nodes) {
    const { name, file } = node.model;
    const [run] = await runs.list({ model: name, status: "ok", limit: 1 });
    const text = run === undefined ? null : await runs.modelText(run.modelHash);
    if (run === undefined || text === null) {
      if (node.model.kind === "view") recorded.push(node);
      else throw unrecorded(name);
      continue;
    }
    const onFailOf = (layer: string) => session.config.layers.get(layer)?.onFail ?? null;
    const parsed = parseModel(file, text, { parseYaml, ...MODEL_TOOLS, onFailOf });
    if (parsed.model === null) throw unrecorded(name);
    const analysis = await session.ports.engine.analyze(analyzeRequest(parsed.model));
    recorded.push({ model: { ...parsed.model, hash: run.modelHash }, analysis });
  }
  return recorded;
}

function unrecorded(model: string): LakeError {
  return new LakeError("not-found", `${model} has no recorded version`, {
    hint: "it never published; replay it with the current code",
  });
}
