/** What is kept of a run: what it read, how it went, and what came of it. */

import type { Materialized, MaterializeRequest } from "../engine.ts";
import type { TableName } from "../table/types.ts";
import { splitVersion } from "../table/version-ref.ts";
import type { Tick } from "./cadence.ts";
import { cursorFromText, type Place } from "./cursor.ts";
import type { Decision } from "./decide.ts";
import type { RunPorts, RunSettings } from "./model-table.ts";
import type { ModelNode } from "./node.ts";
import type { AnswersFrom, KeysFrom, RowsFrom, RunPlan } from "./run-plan.ts";
import type { RunInput, RunRecord, TestOutcome } from "./run-store.ts";

/** What is known of a run before it has a result. */
export interface RecordJob {
  readonly node: ModelNode;
  readonly decision: Decision;
  readonly plan: Exclude<RunPlan, { kind: "skip" | "wait" }>;
  readonly settings: RunSettings;
  readonly startedMs: number;
  /** `now()` in the run: when it started, or for a replay the time of the run that it repeats. */
  readonly runTimeMs: number;
  /** The time of its cadence that it runs for. */
  readonly tick?: Tick | null;
}

/** The record of a run that published nothing. */
export function failedRecord(
  ports: RunPorts,
  job: RecordJob,
  error: string,
  tests: readonly TestOutcome[],
): RunRecord {
  return {
    ...recordBase(job, ports.random.uuid()),
    endedMs: ports.clock.nowMs(),
    status: "failed",
    error,
    rowsIn: 0n,
    rowsWritten: 0n,
    rowsQuarantined: 0n,
    rowsDropped: 0n,
    tests,
  };
}

/** The record of a run that is about to be published. */
export function runRecord(
  ports: Pick<RunPorts, "clock">,
  job: RecordJob,
  request: MaterializeRequest,
  result: Materialized,
): RunRecord {
  return {
    ...recordBase(job, request.run),
    endedMs: ports.clock.nowMs(),
    status: "ok",
    error: null,
    rowsIn: result.rowsIn,
    rowsWritten: result.data.rows,
    rowsQuarantined: result.rowsQuarantined,
    rowsDropped: result.rowsDropped,
    tests: result.tests,
  };
}

type RecordBase = Pick<
  RunRecord,
  | "run"
  | "model"
  | "modelHash"
  | "mode"
  | "reason"
  | "inputs"
  | "variables"
  | "runTimeMs"
  | "timezone"
  | "engine"
  | "startedMs"
  | "tick"
>;

function recordBase(job: RecordJob, run: string): RecordBase {
  const { variables } = job.decision;
  return {
    run,
    model: job.node.model.name,
    modelHash: job.node.model.hash,
    mode: job.plan.kind,
    reason: job.plan.reason,
    inputs: runInputs(job.decision, job.plan),
    ...(variables.size === 0 ? {} : { variables: Object.fromEntries(variables) }),
    runTimeMs: job.runTimeMs,
    timezone: job.settings.timezone,
    engine: job.settings.engineVersion,
    startedMs: job.startedMs,
    ...(job.tick === null || job.tick === undefined ? {} : { tick: job.tick }),
  };
}

function runInputs({ cursorText, next }: Decision, plan: RunPlan): RunInput[] {
  const before = plan.kind === "incremental" ? cursorFromText(cursorText) : null;
  const changed = plan.kind === "incremental" ? changedTables(plan.from, next) : [];
  const isDriver = (table: TableName) => changed.includes(table);
  const current = [...next.inputs].map(([table, place]) => {
    const from = isDriver(table) ? (before?.inputs.get(table)?.snapshotId ?? null) : null;
    return runInput(table, place, from);
  });
  const fixed = [...next.moments].map(([key, place]) =>
    runInput(splitVersion(key).name, place, null),
  );
  return [...current, ...fixed];
}

function runInput(
  table: TableName,
  { uuid, snapshotId: to, corrections }: Place,
  from: bigint | null,
): RunInput {
  return { table, uuid, from, to, ...(corrections === undefined ? {} : { corrections }) };
}

/** Inputs of which a run takes what changed since the last one. */
function changedTables(
  from: RowsFrom | KeysFrom | AnswersFrom,
  { inputs }: Decision["next"],
): TableName[] {
  if (from.kind === "answers") return from.delta === null ? [] : [from.delta.table];
  if (from.kind === "rows") return [from.table];
  return [...inputs.keys()].filter((name) =>
    from.changes.some(({ added }) => added.table === name),
  );
}
