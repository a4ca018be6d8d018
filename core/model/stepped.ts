/** A run of a model whose rows a program makes: its query is computed, handed over, and what comes back is read. */

import { LakeError } from "../base/errors.ts";
import { declaredTypeText } from "../config/type-text.ts";
import type { Binding, TableRef } from "../engine.ts";
import { REWRITTEN_ROWS_MAX } from "../limits.ts";
import type { StepOutput } from "../steps.ts";
import { freshSchema } from "../table/evolution.ts";
import { isPromotion } from "../table/type-text.ts";
import type { Scan, Schema, Type } from "../table/types.ts";
import { type RunPorts, type RunSettings, withoutOwn } from "./model-table.ts";
import type { ModelNode } from "./node.ts";
import { NOTHING_ASIDE } from "./pins.ts";
import { stagedFile } from "./staged-file.ts";
import { isOwnStep, type Step } from "./step.ts";

/** The rows of a step, as a query over files reads them. */
export const OUTPUT: TableRef = { name: "step.output", at: null, offset: null };

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
  const input = await rowsAsFiles(ports, job, { sql: model.sql, bindings, staging });
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

/** The rows of a query as files. */
export async function rowsAsFiles(
  ports: RunPorts,
  { node: { model }, settings, runTimeMs }: SteppedJob,
  query: { readonly sql: string; readonly bindings: readonly Binding[]; readonly staging: string },
): Promise<StepOutput> {
  const { timezone, memoryBytes, threads } = settings;
  const { sql, bindings, staging } = query;
  const asked = { sql, bindings, timezone, runTimeMs, driver: null };
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

/** The model with what was made of its rows for its query, or with a query over that. */
export function overOutput(
  node: ModelNode,
  { schema, files }: StepOutput,
  query: string | null = null,
): Stepped {
  const scan: Scan = {
    table: OUTPUT.name,
    uuid: OUTPUT.name,
    snapshotId: null,
    sequenceNumber: 0n,
    schema,
    files: files.map(stagedFile),
    deletes: [],
  };
  const sql = query ?? widened(schema, node.model.contract ?? new Map<string, Type>());
  const model = { ...node.model, sql };
  return { node: { ...node, model }, bindings: [{ kind: "scan", ref: OUTPUT, scan }] };
}

/** All columns, with the types of the contract where these hold all of their values. */
function widened(schema: Schema, wanted: ReadonlyMap<string, Type>): string {
  const columns = schema.fields.map(({ name, type }) => {
    const asked = wanted.get(name);
    const quoted = quote(name);
    if (asked === undefined || !isPromotion(type, asked)) return quoted;
    return `CAST(${quoted} AS ${declaredTypeText(asked)}) AS ${quoted}`;
  });
  return `SELECT ${columns.join(", ")} FROM ${OUTPUT.name}`;
}

/** A name as SQL has it. */
export function quote(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}
