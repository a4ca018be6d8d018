/**
 * Models computed again over bronze, as they are or as they last published, and bronze decoded again from its
 * originals where that is asked.
 */

import { LakeError } from "../../core/base/errors.ts";
import { type Bound, boundAt, momentMs, parseBound } from "../../core/base/moment.ts";
import type { RangeScope } from "../../core/engine.ts";
import { declaredOtherwise } from "../../core/ingest/current-contract.ts";
import { type OriginalsReplayed, replayOriginals } from "../../core/ingest/originals.ts";
import { ancestors } from "../../core/model/graph.ts";
import { isInlined } from "../../core/model/model.ts";
import type { ModelNode } from "../../core/model/node.ts";
import { type Replayed, replay } from "../../core/model/replay.ts";
import { INGESTED_COLUMN } from "../../core/table/system-columns.ts";
import type { TableName } from "../../core/table/types.ts";
import { lakeMoment } from "../../core/table/version-ref.ts";
import type { Session } from "../open.ts";
import { chosenModels, type ProjectGraph, validGraph } from "./models.ts";
import { momentsOf } from "./moments.ts";
import { recordedNode } from "./recorded.ts";
import { rereadOf, type SourceReread } from "./reread.ts";
import { sourceConfigs } from "./sources.ts";

/** The same models with the text of their last published run. Throws `not-found` for one that never published. */
export async function recordedNodes(
  session: Session,
  nodes: readonly ModelNode[],
): Promise<ModelNode[]> {
  const recorded: ModelNode[] = [];
  for (const node of nodes) {
    const before = await recordedNode(session, node);
    if (before === null && !isInlined(node.model.kind)) throw unrecorded(node.model.name);
    recorded.push(before ?? node);
  }
  return recorded;
}

function unrecorded(model: string): LakeError {
  return new LakeError("not-found", `${model} has no recorded version`, {
    hint: "it never published; replay it with the current code",
  });
}

export interface ReplayRequest {
  readonly select: readonly string[];
  readonly exclude?: readonly string[];
  /** First instant of the range. */
  readonly from: string | null;
  /** End of the range, not included. */
  readonly to: string | null;
  /** Column of the driving input that the range is over; null: event time of the model, else when rows landed. */
  readonly by: string | null;
  /** Partitions, as `day(at)=2026-03-04`; null: not by partition. */
  readonly partition?: string | null;
  /** The inputs are read as of then. */
  readonly at: string | null;
  /** With `at`: the result becomes the live tables. */
  readonly promote: boolean;
  /** The models as they are, or as they last published. */
  readonly code: "current" | "recorded";
  readonly fromOriginals: boolean;
  /** Originals are read as they were, or as tarn.yaml says now; absent: as they were. */
  readonly contract?: "recorded" | "current";
  /** Lookups behind what is replayed ask for all of their keys again first. */
  readonly refresh?: boolean;
  readonly dryRun: boolean;
  /** Kept with the commit. */
  readonly why: string | null;
  /** Changed rows to show. */
  readonly limit: number;
}

/** What became of one source: its files read as they were (and what tarn.yaml says otherwise by now), or as it says. */
export type SourceReplayed =
  | { readonly kind: "reread"; readonly done: SourceReread }
  | {
      readonly kind: "replayed";
      readonly done: OriginalsReplayed & { readonly source: string; readonly table: TableName };
      readonly otherwise: readonly string[];
    };

/**
 * Replays what is selected: sources first, each told as it is done, then models. Null where no model is replayed.
 * Throws what is wrong with the models, `usage`, `not-found`, and what a replay throws.
 */
export async function replayOf(
  session: Session,
  request: ReplayRequest,
  onSource: (done: SourceReplayed) => void,
): Promise<Replayed | null> {
  const graph = await validGraph(session);
  const { adoptCorrections } = await import("./corrections.ts");
  const { ports, project } = session;
  if (!request.dryRun) await adoptCorrections(ports, graph.names, project.corrections);
  if (request.fromOriginals) {
    const selected = [...((await chosen(session, graph, request)) ?? [])];
    await replaySources(session, graph, selected, request, onSource);
    const models = graph.nodes.filter((node) => selected.includes(node.model.name));
    if (models.length === 0 || request.dryRun) return null;
  }
  return await replayModels(session, graph, request);
}

function chosen(session: Session, graph: ProjectGraph, request: ReplayRequest) {
  return chosenModels(session.catalog, graph, request.select, request.exclude ?? []);
}

/** Replays every source that feeds the selection. */
async function replaySources(
  session: Session,
  graph: ProjectGraph,
  selected: readonly string[],
  request: ReplayRequest,
  onSource: (done: SourceReplayed) => void,
): Promise<void> {
  const feeding = new Set([...selected, ...ancestors(graph.graph, selected)]);
  const drops = await session.drops();
  await drops.refresh();
  const sources = (await sourceConfigs(session)).filter(({ into }) => feeding.has(into));
  if (sources.length === 0) {
    throw new LakeError("not-found", `${request.select.join(" ")} is fed by no source`, {
      hint: "see: tarn status",
    });
  }
  if (request.contract === "current") {
    const names = sources.map(({ name }) => name);
    const { dryRun, why } = request;
    await rereadOf(session, { sources: names, dryRun, why }, (done) =>
      onSource({ kind: "reread", done }),
    );
    return;
  }
  const options = { dryRun: request.dryRun, why: request.why ?? "replay from originals" };
  for (const config of sources) {
    const done = await replayOriginals(session.ports, config, session.settings, options);
    const otherwise = await declaredOtherwise(session.catalog, config);
    const { name: source, into: table } = config;
    onSource({ kind: "replayed", done: { source, table, ...done }, otherwise });
  }
}

async function replayModels(
  session: Session,
  graph: ProjectGraph,
  request: ReplayRequest,
): Promise<Replayed> {
  if (request.select.length === 0) {
    throw new LakeError("usage", "replay needs to know what: a model or a selector", {
      hint: "tarn replay silver.orders+   (the + takes everything downstream of it too)",
    });
  }
  const names = await chosen(session, graph, request);
  const nodes = graph.nodes.filter((node) => names === null || names.has(node.model.name));
  if (nodes.length === 0) {
    throw new LakeError("not-found", `${request.select.join(" ")} selects no model`, {
      hint: "see: tarn ls; bronze is replayed from its originals with --from-originals",
    });
  }
  const history = nodes.find(({ model }) => model.increment?.isHistory === true);
  if (history !== undefined) {
    const message = `${history.model.name} holds versions that rows had: they are nowhere else to be computed from`;
    const hint = `leave it out: --exclude ${history.model.name}`;
    throw new LakeError("unsupported", message, { hint });
  }
  if (request.refresh === true) await refresh(session, graph, nodes, request);
  else refuseLookups(nodes);
  const { at } = request;
  const coded = request.code === "current" ? nodes : await recordedNodes(session, nodes);
  return replay(session.ports, graph.names, coded, session.settings, {
    scope: await scopeOf(session, request, nodes),
    atMs: at === null ? null : await lakeMoment(session.catalog, at, momentsOf(session)),
    promote: request.promote,
    dryRun: request.dryRun,
    why: request.why ?? `replay ${request.select.join(" ")}`,
    sampleRows: request.limit,
  });
}

/** Answers are what came from outside. */
function refuseLookups(nodes: readonly ModelNode[]): void {
  const [first] = nodes;
  if (first === undefined || nodes.some(({ model }) => model.lookup === null)) return;
  const { name } = first.model;
  throw new LakeError("usage", `${name} holds answers, which a replay reads and does not make`, {
    hint: `replay what is made of them: tarn replay ${name}+; with --refresh all keys are asked again first`,
  });
}

/** Asks for all keys of the lookups that are selected, or behind what is. Throws `input` where one cannot be asked. */
async function refresh(
  session: Session,
  graph: ProjectGraph,
  nodes: readonly ModelNode[],
  { dryRun, at }: ReplayRequest,
): Promise<void> {
  if (dryRun || at !== null) {
    const flag = dryRun ? "--dry-run" : "--at";
    throw new LakeError(
      "usage",
      `--refresh asks and keeps the answers, and ${flag} changes nothing`,
      {
        hint: "leave one of the two out",
      },
    );
  }
  const names = nodes.map(({ model }) => model.name);
  const behind = new Set([...names, ...ancestors(graph.graph, names)]);
  const { runModel } = await import("../../core/model/run.ts");
  for (const node of graph.nodes) {
    if (node.model.lookup === null || !behind.has(node.model.name)) continue;
    const outcome = await runModel(session.ports, graph.names, node, session.settings, {
      full: true,
    });
    if (outcome.kind === "built") continue;
    const why =
      outcome.kind === "failed" ? outcome.reason : `${node.model.name}: ${outcome.reason}`;
    throw new LakeError("input", `${node.model.name} could not be asked: ${why}`, {
      hint: "nothing was replayed; without --refresh the answers that there are are read",
    });
  }
}

/** The range, each bound in any spelling of a moment: also a tag or a snapshot, whose instant it then is. */
async function scopeOf(
  session: Session,
  request: ReplayRequest,
  nodes: readonly ModelNode[],
): Promise<RangeScope | null> {
  const { partition = null } = request;
  if (partition !== null) {
    const { partitionScope } = await import("./partition-scope.ts");
    return partitionScope(
      nodes.map(({ model }) => model),
      partition,
    );
  }
  if (request.from === null && request.to === null) return null;
  const from = request.from === null ? null : await boundOf(session, request.from);
  const to = request.to === null ? null : await boundOf(session, request.to);
  // A clock change may turn one of the two around: the column says which counts.
  if (from !== null && to !== null && from.ms >= to.ms && from.wallMs >= to.wallMs) {
    throw new LakeError("usage", `--from ${request.from} is not before --to ${request.to}`, {
      hint: "the range begins with --from and ends before --to",
    });
  }
  const wall = { fromMs: from?.wallMs ?? null, toMs: to?.wallMs ?? null };
  const column = request.by ?? eventTimeOf(nodes) ?? INGESTED_COLUMN;
  return { column, fromMs: from?.ms ?? null, toMs: to?.ms ?? null, wall };
}

/** The column of event time of the one model that is replayed. */
function eventTimeOf([node, other]: readonly ModelNode[]): string | null {
  return other === undefined ? (node?.model.windows?.column ?? null) : null;
}

async function boundOf(session: Session, text: string): Promise<Bound> {
  const moments = momentsOf(session);
  const isTime = momentMs(text, moments) !== null && !(await session.catalog.tags()).has(text);
  if (isTime) return parseBound(text, moments);
  return boundAt(await lakeMoment(session.catalog, text, moments), moments.timezone);
}
