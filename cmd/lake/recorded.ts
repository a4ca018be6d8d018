/** Models as they last published, read again from the texts that are kept. */

import { LakeError } from "../../core/base/errors.ts";
import type { LakeConfig } from "../../core/config.ts";
import type { Macros } from "../../core/model/macros.ts";
import type { RecordedOf } from "../../core/model/model-table.ts";
import { analyzeRequest, type ModelNode } from "../../core/model/node.ts";
import { modelNameOf, parseModel } from "../../core/model/parse.ts";
import { valuesOf } from "../../core/model/variables.ts";
import type { Catalog, SqlEngine } from "../../core/ports.ts";
import type { TableName } from "../../core/table/types.ts";
import { readMacros } from "../../sql/syntax/macros.ts";
import { MODEL_TOOLS } from "../project/model-tools.ts";

/** What of a session it takes. */
export interface Recording {
  readonly catalog: Pick<Catalog, "runs">;
  readonly config: Pick<LakeConfig, "layers">;
  readonly ports: { readonly engine: Pick<SqlEngine, "analyze"> };
}

/** A model with the text of its last run that published; null where there is none, or it is not read any more. */
export async function recordedNode(
  session: Recording,
  { model: { name, file } }: ModelNode,
  isExact = false,
): Promise<ModelNode | null> {
  const [run] = await session.catalog.runs.list({ model: name, status: "ok", limit: 1 });
  return run === undefined
    ? null
    : versionOf(session, { hash: run.modelHash, name, file, isExact });
}

interface VersionAsked {
  readonly hash: string;
  readonly name: TableName;
  readonly file: string;
  /** Null where its text does not mean any more what it meant: programs and defaults stand beside it. */
  readonly isExact?: boolean;
}

/** A version of a model by its hash; null where its text is not kept, or not read any more. */
export async function versionOf(
  session: Recording,
  { hash, name, file, isExact = false }: VersionAsked,
): Promise<ModelNode | null> {
  const text = await session.catalog.runs.modelText(hash);
  if (text === null) return null;
  const { parseYaml } = await import("../project/yaml.ts");
  const onFailOf = (layer: string) => session.config.layers.get(layer)?.onFail ?? null;
  const kept = valuesOf(text);
  const macros = recordedMacros(kept.macros);
  const context = { parseYaml, ...MODEL_TOOLS, onFailOf, variables: kept.values, macros };
  const parsed = parseModel(file, kept.text, context, modelNameOf(name));
  if (parsed.model === null || (isExact && parsed.model.hash !== hash)) return null;
  const analysis = await session.ports.engine.analyze(analyzeRequest(parsed.model));
  return { model: { ...parsed.model, hash }, analysis };
}

/** For those who decide what an edit comes to: what cannot be read any more is not known. */
export function recordedOf(session: Recording): RecordedOf {
  return async (node) => {
    try {
      return await recordedNode(session, node, true);
    } catch (thrown) {
      if (!(thrown instanceof LakeError)) throw thrown;
      return null;
    }
  };
}

function recordedMacros(texts: readonly string[]): Macros {
  const { macros } = readMacros("", texts.join(";\n"));
  return new Map(macros.map((macro) => [macro.name.toLowerCase(), macro]));
}
