/** The models of a project as the graph that runs: parsed by the engine once, validated as a whole. */

import { LakeError } from "../../core/base/errors.ts";
import type { TableRef } from "../../core/engine.ts";
import { quarantineTable } from "../../core/ingest/quarantine.ts";
import type { ModelGraph } from "../../core/lake.ts";
import type { Analysis } from "../../core/model/analysis.ts";
import type { CorrectionFile } from "../../core/model/correction-file.ts";
import { descendants, type Graph } from "../../core/model/graph.ts";
import { isInlined, type Model } from "../../core/model/model.ts";
import { analyzeRequest, type ModelNode } from "../../core/model/node.ts";
import type { Names } from "../../core/model/pins.ts";
import type { LakeState } from "../../core/model/select.ts";
import { TableNames } from "../../core/model/table-names.ts";
import { validateModels } from "../../core/model/validate.ts";
import { inFile } from "../../core/model/variables.ts";
import type { Catalog, SqlEngine } from "../../core/ports.ts";
import type { Correction } from "../../core/table/correction.ts";
import type { TableName } from "../../core/table/types.ts";

export interface GraphRequest {
  readonly models: readonly Model[];
  /** Tables that sources land in, by the source's name. */
  readonly sources: ReadonlyMap<TableName, string>;
  /** Tables of the lake. */
  readonly tables: readonly TableName[];
  /** What is put right in rows as models read them; absent: nothing is. */
  readonly corrections?: readonly CorrectionFile[];
}

export interface ProjectGraph extends ModelGraph {
  readonly graph: Graph;
  readonly request: GraphRequest;
  readonly warnings: readonly LakeError[];
  /** Tables that corrections are about. */
  readonly corrected: readonly TableName[];
}

export type GraphAnswer =
  | { readonly kind: "valid"; readonly graph: ProjectGraph }
  | { readonly kind: "invalid"; readonly errors: readonly LakeError[] };

const NO_CORRECTIONS: ReadonlyMap<TableName, readonly Correction[]> = new Map();

/** Analyses are kept by what is asked: an edit of one model parses one model. */
export class Analyses {
  readonly #byText = new Map<string, Analysis>();

  async of(engine: SqlEngine, model: Model): Promise<Analysis> {
    const request = analyzeRequest(model);
    const key = JSON.stringify(request);
    const known = this.#byText.get(key);
    if (known !== undefined) return known;
    const analysis = await engine.analyze(request);
    this.#byText.set(key, analysis);
    return analysis;
  }
}

/** Validates a set of models as a whole. Errors carry their place in the model's file. */
export async function projectGraph(
  engine: SqlEngine,
  analyses: Analyses,
  asked: GraphRequest,
): Promise<GraphAnswer> {
  const request = withAside(asked);
  const errors: LakeError[] = [];
  const analysisByName = new Map<TableName, Analysis>();
  for (const model of request.models) {
    try {
      analysisByName.set(model.name, await analyses.of(engine, model));
    } catch (thrown) {
      if (!(thrown instanceof LakeError)) throw thrown;
      errors.push(inModel(model, thrown));
    }
  }
  if (errors.length > 0) return { kind: "invalid", errors };
  const validated = validateModels({ ...request, analyses: analysisByName });
  if (validated.graph === null) return { kind: "invalid", errors: validated.errors };
  const nodeByName = new Map<TableName, ModelNode>();
  for (const model of request.models) {
    const analysis = analysisByName.get(model.name);
    if (analysis !== undefined) nodeByName.set(model.name, { model, analysis });
  }
  const { graph, warnings } = validated;
  const nodes = graph.order.flatMap((name) => nodeByName.get(name) ?? []);
  const plain = namesOver(request, nodeByName);
  const { byTable, errors: refused } = await correctionsOf(engine, request, plain);
  if (refused.length > 0) return { kind: "invalid", errors: refused };
  const names: Names =
    byTable.size === 0 ? plain : { ...plain, corrections: (name) => byTable.get(name) ?? [] };
  const below = (name: TableName): ReadonlySet<TableName> => descendants(graph, [name]);
  const after = (name: TableName): readonly TableName[] => graph.before.get(name) ?? [];
  return {
    kind: "valid",
    graph: {
      ...{ nodes, names, graph, request, warnings, descendants: below, after },
      corrected: [...byTable.keys()],
    },
  };
}

/** What is put right in each table; how that is judged is loaded only where anything is. */
async function correctionsOf(
  engine: SqlEngine,
  { corrections = [], models }: GraphRequest,
  names: Names,
) {
  if (corrections.length === 0) return { byTable: NO_CORRECTIONS, errors: [] };
  const { judgeCorrections } = await import("./corrections.ts");
  return await judgeCorrections(engine, names, models, corrections);
}

/** The graph of the models. Throws what is wrong with them, all of it at once. */
export async function validGraph(session: {
  graph(): Promise<GraphAnswer>;
}): Promise<ProjectGraph> {
  const answer = await session.graph();
  if (answer.kind === "valid") return answer.graph;
  throw new AggregateError(answer.errors);
}

/** The tables that selectors name; null is all. `catalog` is asked where they ask for what the lake holds. */
export async function chosenModels(
  catalog: Catalog,
  graph: ProjectGraph,
  selectors: readonly string[],
  exclude: readonly string[] = [],
): Promise<ReadonlySet<TableName> | null> {
  if (selectors.length === 0 && exclude.length === 0) return null;
  const { asksForState, select } = await import("../../core/model/select.ts");
  const { models, sources } = graph.request;
  const isAsked = asksForState([...selectors, ...exclude]);
  const state = isAsked ? await stateOf(catalog, graph) : null;
  return new Set(select(selectors, { graph: graph.graph, models, sources, state }, exclude));
}

async function stateOf(catalog: Catalog, graph: ProjectGraph): Promise<LakeState> {
  const { lakeState } = await import("./lake-state.ts");
  return lakeState(catalog, graph);
}

/** Names of all that models make and sources land in. */
export function madeBy({ models, sources }: GraphRequest): TableName[] {
  return [...models.map((model) => model.name), ...sources.keys()];
}

/** What a table sets aside can be read before there is anything. */
function withAside(request: GraphRequest): GraphRequest {
  const { models, sources, tables } = request;
  const writers = [...sources.keys(), ...models.map((model) => model.name)];
  return { ...request, tables: [...new Set([...tables, ...writers.map(quarantineTable)])] };
}

/** Names as queries may write them, over models, sources and the tables there are. */
export function namesOver(
  request: GraphRequest,
  nodeByName: ReadonlyMap<TableName, ModelNode>,
): Names {
  const names = new TableNames([
    ...request.models.map((model) => model.name),
    ...request.sources.keys(),
    ...request.tables,
  ]);
  return {
    tableOf(ref: TableRef): TableName {
      const resolved = names.lookUp(ref.name, ref.isOneWord);
      if (resolved.kind === "table") return resolved.name;
      if (resolved.kind === "ambiguous") {
        throw new LakeError("sql", `"${ref.name}" is ambiguous: ${resolved.names.join(", ")}`, {
          hint: `write ${resolved.names[0] ?? ref.name} or one of the others`,
          page: "T0204",
        });
      }
      const nearest = resolved.kind === "unknown" ? resolved.nearest : [];
      const hint =
        nearest.length > 0 ? `did you mean "${nearest.join('" or "')}"?` : "see: tarn ls";
      throw new LakeError("not-found", `there is no table "${ref.name}"`, { hint, page: "T0210" });
    },
    view(name: TableName): ModelNode | null {
      const node = nodeByName.get(name);
      return node !== undefined && isInlined(node.model.kind) ? node : null;
    },
  };
}

/** A SQL error of a model's text, placed in the model's file. */
function inModel(model: Model, error: LakeError): LakeError {
  const place = inFile(model, { length: 1, ...(error.place ?? { line: 1, column: 1 }) });
  return new LakeError(error.code, error.message, {
    ...(error.hint === null ? {} : { hint: error.hint }),
    ...(error.page === null ? {} : { page: error.page }),
    place,
    cause: error,
  });
}
