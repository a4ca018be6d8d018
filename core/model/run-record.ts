/** Run records: what a run read, when, with what; made before its commit carries them. */

import type { Materialized, MaterializeRequest } from "../engine.ts";
import type { TableName } from "../table/types.ts";
import { splitVersion } from "../table/version-ref.ts";
import { cursorFromText } from "./cursor.ts";
import type { Decision, RunPlan } from "./decide.ts";
import type { ModelNode } from "./node.ts";
import type { RunInput, RunRecord, TestOutcome } from "./run-store.ts";
import type { RunPorts, RunSettings } from "./target.ts";

/** What is known of a run before it has a result. */
export interface RecordJob {
  readonly node: ModelNode;
  readonly decision: Decision;
  readonly plan: Exclude<RunPlan, { kind: "skip" | "wait" }>;
  readonly settings: RunSettings;
  readonly startedMs: number;
  /** `now()` in the run: when it started, or for a replay the time of the run that it repeats. */
  readonly runTimeMs: number;
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
  | "runTimeMs"
  | "timezone"
  | "engine"
  | "startedMs"
>;

function recordBase(job: RecordJob, run: string): RecordBase {
  return {
    run,
    model: job.node.model.name,
    modelHash: job.node.model.hash,
    mode: job.plan.kind,
    reason: job.plan.reason,
    inputs: runInputs(job.decision, job.plan),
    runTimeMs: job.runTimeMs,
    timezone: job.settings.timezone,
    engine: job.settings.engineVersion,
    startedMs: job.startedMs,
  };
}

function runInputs({ cursorText, next }: Decision, plan: RunPlan): RunInput[] {
  const before = plan.kind === "incremental" ? cursorFromText(cursorText) : null;
  const isDriver = (table: TableName) => plan.kind === "incremental" && plan.driverTable === table;
  const current = [...next.inputs].map(([table, { uuid, snapshotId: to }]) => {
    const from = isDriver(table) ? (before?.inputs.get(table)?.snapshotId ?? null) : null;
    return { table, uuid, from, to };
  });
  const fixed = [...next.moments].map(([key, { uuid, snapshotId: to }]) => {
    return { table: splitVersion(key).name, uuid, from: null, to };
  });
  return [...current, ...fixed];
}
