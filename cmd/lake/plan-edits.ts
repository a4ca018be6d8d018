/** What edits of models come to, for them and for what reads them, and what computing it costs. */

import type { Decision } from "../../core/model/decide.ts";
import { type Edit, editOf, indirectEdit, worse } from "../../core/model/edit.ts";
import type { ModelNode } from "../../core/model/node.ts";
import type { Pins } from "../../core/model/pins.ts";
import type { Scan, TableName } from "../../core/table/types.ts";
import type { Session } from "../open.ts";
import type { ProjectGraph } from "./models.ts";
import { recordedNode } from "./recorded.ts";

/** What a run looks at: of one that goes by keys, what changed; of others, all that it reads. */
export interface PlanCost {
  readonly rows: bigint;
  readonly bytes: bigint;
  readonly files: number;
}

/** Edits of a plan, model by model in dependency order, views included. */
export class PlanEdits {
  readonly #edits = new Map<TableName, Edit>();
  readonly #session: Session;
  readonly #graph: ProjectGraph;

  constructor(session: Session, graph: ProjectGraph) {
    this.#session = session;
    this.#graph = graph;
  }

  get isEmpty(): boolean {
    return this.#edits.size === 0;
  }

  /** What became of the model, by its own text and by what it reads; null where it is as it was. */
  async of(node: ModelNode, decision: Decision | null): Promise<Edit | null> {
    const { name } = node.model;
    const own = decision === null ? null : await this.#ownEdit(node, decision);
    const parents = (this.#graph.graph.parents.get(name) ?? []).flatMap((parent) => {
      const edit = this.#edits.get(parent);
      return edit === undefined ? [] : [[parent, edit] as const];
    });
    const indirect = indirectEdit(node, parents);
    const edit = own !== null && indirect !== null ? worse(own, indirect) : (own ?? indirect);
    if (edit !== null) this.#edits.set(name, edit);
    return edit;
  }

  /** Of a text that means the same as before, too. */
  async #ownEdit(node: ModelNode, { edit, plan, cursorText }: Decision): Promise<Edit | null> {
    if (edit !== null || plan.kind === "wait" || cursorText === null) return edit;
    const { hash, kept } = node.model;
    const text = await this.#session.catalog.runs.modelText(hash);
    if (text === null || text === kept) return null;
    const before = await recordedNode(this.#session, node);
    return before?.model.hash === hash ? editOf(before, node) : null;
  }
}

/** What the run of a decision looks at; null where it does not run. */
export async function costOf(
  pins: Pins,
  { plan, next }: Decision,
  follows: boolean,
): Promise<PlanCost | null> {
  if (!follows && (plan.kind === "skip" || plan.kind === "wait")) return null;
  if (!follows && plan.kind === "incremental") {
    const { from } = plan;
    if (from.kind === "rows") return ofScans([from.delta]);
    if (from.kind === "answers") return from.delta === null ? null : ofScans([from.delta.delta]);
    return ofScans(from.changes.flatMap(({ added, removed }) => [added, removed]));
  }
  let cost: PlanCost = { rows: 0n, bytes: 0n, files: 0 };
  for (const name of next.inputs.keys()) {
    const summary = (await pins.get(name))?.snapshot?.summary ?? {};
    const count = (key: string): bigint => {
      const value = summary[key] ?? "";
      return /^\d{1,18}$/.test(value) ? BigInt(value) : 0n;
    };
    cost = {
      rows: cost.rows + count("total-records"),
      bytes: cost.bytes + count("total-files-size"),
      files: cost.files + Number(count("total-data-files")),
    };
  }
  return cost;
}

function ofScans(scans: readonly Scan[]): PlanCost {
  const files = scans.flatMap((scan) => scan.files.map(({ file }) => file));
  return {
    rows: files.reduce((sum, { recordCount }) => sum + recordCount, 0n),
    bytes: files.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0n),
    files: files.length,
  };
}
