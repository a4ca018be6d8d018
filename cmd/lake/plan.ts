/** What a build would do, and why. */

import { LakeError } from "../../core/base/errors.ts";
import { type Decision, decideRun, FIRST_RUN } from "../../core/model/decide.ts";
import type { Edit } from "../../core/model/edit.ts";
import { isInlined, type Model } from "../../core/model/model.ts";
import type { ModelNode } from "../../core/model/node.ts";
import { bindAll, Pins } from "../../core/model/pins.ts";
import type { RunPlan } from "../../core/model/run-plan.ts";
import { goneText, orphansOf } from "../../core/model/run-store.ts";
import { columnNote } from "../../core/model/schema-change.ts";
import type { Selection } from "../../core/model/select.ts";
import type { TableName } from "../../core/table/types.ts";
import type { Session } from "../open.ts";
import { type PendingContract, pendingContracts } from "./contracts.ts";
import { chosenModels, madeBy, type ProjectGraph, validGraph } from "./models.ts";
import { momentsOf } from "./moments.ts";
import { costOf, type PlanCost, PlanEdits } from "./plan-edits.ts";
import { readOtherwise } from "./reread.ts";

/** What would happen to one table: files land in it, or its model runs, follows what it reads, or is left as it is. */
export type PlanStep =
  | {
      readonly kind: "land";
      readonly table: TableName;
      readonly files: number;
      /** What is done with fields that no column is declared for, where only the columns say so. */
      readonly schema: "quarantine" | null;
    }
  /** With the next files: what tarn.yaml states of their contract, and may follow what there is or not. */
  | ({ readonly kind: "contract" } & PendingContract)
  /** Not by a build: what tarn.yaml says of the source holds for its next files alone. */
  | {
      readonly kind: "reread";
      readonly table: TableName;
      readonly source: string;
      readonly reasons: readonly string[];
    }
  | {
      readonly kind: "model";
      readonly table: TableName;
      readonly plan: RunPlan["kind"] | "follow";
      readonly reason: string;
      readonly owner: string | null;
      /** What became of its text, or of what it reads; null: both are as they were. */
      readonly change: Pick<Edit, "class" | "why"> | null;
      /** What its run looks at, at most; null: it has none, or its inputs are not there yet. */
      readonly cost: PlanCost | null;
      /** Tests that are about it, where something becomes of it. */
      readonly tests: readonly string[];
    };

/** In the order in which it would happen. Throws what is wrong with the models. */
export async function planOf(
  session: Session,
  { select, exclude }: Selection,
): Promise<readonly PlanStep[]> {
  const graph = await validGraph(session);
  const drops = await session.drops();
  await drops.refresh();
  const steps: PlanStep[] = [];
  const dirty = new Set<TableName>();
  for (const { config, waitingFiles: files } of drops.sources) {
    if (files === 0) continue;
    dirty.add(config.into);
    const schema = config.schemaImplied === true ? "quarantine" : null;
    steps.push({ kind: "land", table: config.into, files, schema });
  }
  for (const pending of await pendingContracts(session)) {
    steps.push({ kind: "contract", ...pending });
  }
  for (const { config, reasons } of await readOtherwise(session)) {
    steps.push({ kind: "reread", table: config.into, source: config.name, reasons });
  }
  const chosen = await chosenModels(session.catalog, graph, select, exclude);
  const pins = await Pins.take(session.catalog);
  const { recorded } = session.settings;
  const options = { full: false, moments: momentsOf(session), recorded };
  const edits = new PlanEdits(session, graph);
  const orphans = await orphansOf(session.catalog, madeBy(graph.request));
  for (const node of graph.nodes) {
    const { name, kind } = node.model;
    const parent = [...dirty].find((each) => isReadBy(graph, name, each));
    // Nothing is built for a view; what it reads is read by those who read it.
    if (isInlined(kind) && parent !== undefined) dirty.add(name);
    if (isInlined(kind)) await edits.of(node, null);
    if (isInlined(kind) || (chosen !== null && !chosen.has(name))) continue;
    const decision = await decideRun(session.catalog, pins, graph.names, node, options);
    const ran = stepOf(node.model, decision.plan, parent, orphanOf(graph, name, orphans));
    const change = changeOf(await edits.of(node, decision), decision);
    const cost = await costOf(pins, decision, ran.plan === "follow");
    const planned: ModelStep = { ...ran, change, cost, tests: [] };
    const note = await columnsOf(session, graph, node, pins, planned);
    const step = note === null ? planned : { ...planned, reason: `${planned.reason}; ${note}` };
    if (isDue(step)) dirty.add(name);
    steps.push(step);
  }
  return edits.isEmpty ? steps : withTests(session, graph, steps);
}

type ModelStep = PlanStep & { readonly kind: "model" };

function changeOf(edit: Edit | null, { plan }: Decision): ModelStep["change"] {
  if (edit !== null) return { class: edit.class, why: edit.why };
  const isNew = plan.kind === "full" && plan.reason === FIRST_RUN;
  return isNew ? { class: "new", why: "it has no table yet" } : null;
}

/** Which tests are about models of which something becomes. Tests that are wrong are told by `check`. */
async function withTests(
  session: Session,
  graph: ProjectGraph,
  steps: readonly PlanStep[],
): Promise<readonly PlanStep[]> {
  const { testsAbout } = await import("./tests.ts");
  const about = await testsAbout(session, graph);
  return steps.map((step) =>
    step.kind !== "model" || step.change === null
      ? step
      : { ...step, tests: about.get(step.table) ?? [] },
  );
}

/** False for a model that a build would leave as it is. */
export function isDue(step: PlanStep): boolean {
  if (step.kind === "reread" || step.kind === "contract") return false;
  return step.kind === "land" || step.plan !== "skip";
}

function isReadBy(graph: ProjectGraph, model: TableName, parent: TableName): boolean {
  return graph.graph.parents.get(model)?.includes(parent) === true;
}

/** What comes of the columns of a model that says what is to come of them; null where nothing does. */
async function columnsOf(
  session: Session,
  { names }: ProjectGraph,
  { model, analysis }: ModelNode,
  pins: Pins,
  { plan }: { readonly plan: string },
): Promise<string | null> {
  const table = (await pins.get(model.name))?.table ?? null;
  if (model.onSchemaChange === null || table === null || plan === "skip") return null;
  const moments = momentsOf(session);
  const job = { pins, names, overrides: new Map(), moments };
  try {
    const bindings = await bindAll(job, analysis.tables);
    const { timezone, nowMs: runTimeMs } = moments;
    const asked = { sql: model.sql, bindings, timezone, runTimeMs, driver: null };
    const { columns } = await session.ports.engine.describe(asked);
    return columnNote(model, table, columns);
  } catch (thrown) {
    // What is wrong with its query is said by its run.
    if (thrown instanceof LakeError) return null;
    throw thrown;
  }
}

/** A model that is up to date today is due when something it reads is rebuilt before it. */
function stepOf(
  { name: table, owner }: Pick<Model, "name" | "owner">,
  plan: RunPlan,
  parent: TableName | undefined,
  orphan: TableName | undefined,
): Omit<ModelStep, "change" | "cost" | "tests"> {
  const because = (reason: string): string =>
    orphan === undefined ? reason : `${reason}; reads ${orphan}, ${goneText(orphan)}`;
  if (plan.kind === "skip" && parent !== undefined) {
    return { kind: "model", table, plan: "follow", reason: because(`after ${parent}`), owner };
  }
  return { kind: "model", table, plan: plan.kind, reason: because(plan.reason), owner };
}

function orphanOf(
  graph: ProjectGraph,
  model: TableName,
  orphans: ReadonlySet<TableName>,
): TableName | undefined {
  return graph.graph.parents.get(model)?.find((read) => orphans.has(read));
}
