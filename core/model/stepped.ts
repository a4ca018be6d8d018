/** A run of a model whose rows a program makes: its query is computed, handed over, and what comes back is read. */

import { LakeError } from "../base/errors.ts";
import { declaredTypeText } from "../config/type-text.ts";
import type { Binding, TableRef } from "../engine.ts";
import { REWRITTEN_ROWS_MAX } from "../limits.ts";
import type { StepOutput } from "../steps.ts";
import { freshSchema } from "../table/evolution.ts";
import { isPromotion } from "../table/type-text.ts";
import type { Scan, Type } from "../table/types.ts";
import { type RunPorts, type RunSettings, withoutOwn } from "./model-table.ts";
import type { ModelNode } from "./node.ts";
import { NOTHING_ASIDE } from "./pins.ts";
import { stagedFile } from "./staged-file.ts";
import { isOwnStep, type Step } from "./step.ts";

/** The rows of a step, as a query over files reads them. */
const OUTPUT: TableRef = { name: "step.output", at: null, offset: null };

export interface SteppedJob {
  readonly node: ModelNode;
  readonly settings: RunSettings;
  readonly runTimeMs: number;
}

/** A model whose query reads what its program made, and what that query is bound to. */
export interface Stepped {
  readonly node: ModelNode;
  readonly bindings: readonly Binding[];
}

/** Runs the program of a model over the rows of its query under `bindings`. Throws what the program fails with. */
export async function stepped(
  ports: RunPorts,
  job: SteppedJob,
  step: Step,
  bindings: readonly Binding[],
): Promise<Stepped> {
  const { model } = job.node;
  const { steps } = ports;
  if (steps === undefined) {
    throw new LakeError("unsupported", `${model.name}: programs are not run here`);
  }
  const staging = await ports.io.stagingFolder(ports.random.uuid());
  const input = await inputOf(ports, job, bindings, staging);
  const output = await steps.exec({
    model: model.name,
    command: step.command,
    isOwn: isOwnStep(step),
    env: step.env,
    inputs: input.files.map(({ path }) => path),
    inputSchema: input.schema,
    columns:
      model.contract === null ? null : [...model.contract].map(([name, type]) => ({ name, type })),
    timeoutMs: step.timeoutMs,
    memoryBytes: step.memoryBytes,
    outputBytes: step.outputBytes,
    staging,
  });
  return overOutput(job.node, output);
}

/** The rows of the model's query as files. */
async function inputOf(
  ports: RunPorts,
  { node: { model }, settings, runTimeMs }: SteppedJob,
  bindings: readonly Binding[],
  staging: string,
): Promise<StepOutput> {
  const { timezone, memoryBytes, threads } = settings;
  const asked = { sql: model.sql, bindings, timezone, runTimeMs, driver: null };
  const { columns } = await ports.engine.describe(asked);
  const schema = freshSchema(withoutOwn(columns), new Set());
  const { data } = await ports.engine.materialize({
    ...asked,
    run: ports.random.uuid(),
    model: model.name,
    schema,
    spec: { specId: 0, fields: [] },
    expectations: [],
    tests: [],
    testBindings: [],
    mode: { kind: "rows" },
    rejectSchema: NOTHING_ASIDE,
    rejectTarget: null,
    rewrittenRowsMax: REWRITTEN_ROWS_MAX,
    keyIndexes: null,
    staging,
    memoryBytes,
    threads,
  });
  return { schema, files: data.files };
}

/** The model with what its program made for its query. */
function overOutput(node: ModelNode, { schema, files }: StepOutput): Stepped {
  const scan: Scan = {
    table: OUTPUT.name,
    uuid: OUTPUT.name,
    snapshotId: null,
    sequenceNumber: 0n,
    schema,
    files: files.map(stagedFile),
    deletes: [],
  };
  const wanted = node.model.contract ?? new Map<string, Type>();
  const columns = schema.fields.map(({ name, type }) => {
    const asked = wanted.get(name);
    const quoted = quote(name);
    if (asked === undefined || !isPromotion(type, asked)) return quoted;
    return `CAST(${quoted} AS ${declaredTypeText(asked)}) AS ${quoted}`;
  });
  const sql = `SELECT ${columns.join(", ")} FROM ${OUTPUT.name}`;
  return {
    node: { ...node, model: { ...node.model, sql } },
    bindings: [{ kind: "scan", ref: OUTPUT, scan }],
  };
}

function quote(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}
