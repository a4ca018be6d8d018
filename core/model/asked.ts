/** A run of a lookup: keys that have no answer that holds are asked for, and the answers are the rows that it adds. */

import { must } from "../base/assert.ts";
import { LakeError } from "../base/errors.ts";
import { counted } from "../base/quantity.ts";
import { suggestion } from "../base/suggest.ts";
import { declaredTypeText } from "../config/type-text.ts";
import type { Binding, TableRef } from "../engine.ts";
import { LOOKUP_KEYS_MAX } from "../limits.ts";
import type { Asked } from "../steps.ts";
import type { Column, Scan, Type } from "../table/types.ts";
import {
  ANSWER_COLUMN,
  ASKED_AT_COLUMN,
  ERROR_COLUMN,
  type Lookup,
  VERSION_COLUMN,
} from "./lookup.ts";
import { type ModelTarget, modelTarget, type RunPorts } from "./model-table.ts";
import type { Pins } from "./pins.ts";
import type { AnswersFrom, RunPlan } from "./run-plan.ts";
import {
  OUTPUT,
  overOutput,
  quote,
  rowsAsFiles,
  type Stepped,
  type SteppedJob,
} from "./stepped.ts";

/** The column of keys by which they say when the next answer runs out. */
const UNTIL = "_until";
const TEXT_TYPES = ["string", "int", "long", "date", "uuid", "boolean"];

type TakenPlan = Exclude<RunPlan, { kind: "skip" | "wait" }>;

interface AskJob extends SteppedJob {
  /** Keys that were asked before this are asked again, whatever their answer; null: none is. */
  readonly sinceMs: number | null;
}

interface AskedStep extends Stepped {
  readonly asked: Asked;
}

/** Asks. Throws where nothing could be had, with what was said. */
async function asked(
  ports: RunPorts,
  job: AskJob,
  lookup: Lookup,
  bindings: readonly Binding[],
  answers: Scan | null,
): Promise<AskedStep> {
  const { model } = job.node;
  const { steps } = ports;
  if (steps === undefined)
    throw new LakeError("unsupported", `${model.name}: nobody is asked here`);
  const keys = await keyColumns(ports, job, bindings);
  const staging = await ports.io.stagingFolder(ports.random.uuid());
  const self: TableRef = { name: model.name, at: null, offset: null };
  const bound: Binding[] =
    answers === null ? [...bindings] : [...bindings, { kind: "scan", ref: self, scan: answers }];
  const nowMs = ports.clock.nowMs();
  const sql = keysQuery({
    sql: model.sql,
    keys,
    lookup,
    hasAnswers: answers !== null,
    self,
    nowMs,
    sinceMs: job.sinceMs,
  });
  const input = await rowsAsFiles(ports, job, { sql, bindings: bound, staging });
  const { from, ask, body, items, columns, ttlMs, retryMs, batch, version } = lookup;
  const done = await steps.ask({
    model: model.name,
    from,
    ask,
    body,
    items,
    keys: keys.map(({ name }) => name),
    numbers: keys.filter(({ type }) => isWhole(type)).map(({ name }) => name),
    columns: [...columns].map(([name, type]) => ({ name, type })),
    until: UNTIL,
    version,
    ttlMs,
    retryMs,
    batch,
    inputs: input.files.map(({ path }) => path),
    staging,
  });
  // What an earlier question was answered stays, with its columns.
  const onSchemaChange = "append_new_columns" as const;
  const node = { ...job.node, model: { ...model, onSchemaChange } };
  return { ...overOutput(node, done.output, answersQuery(keys, lookup)), asked: done };
}

function isWhole(type: Type): boolean {
  return type.kind === "primitive" && (type.name === "int" || type.name === "long");
}

export interface AskedRun extends Stepped {
  readonly target: ModelTarget;
  readonly plan: TakenPlan;
  readonly asked: Asked;
}

/** Asks, and says what becomes of the answers. Throws where nothing was had, and `schema` where they do not fit. */
export async function askedRun(
  ports: RunPorts,
  job: SteppedJob & { readonly pins: Pins; readonly plan: TakenPlan },
  { sinceMs }: AnswersFrom,
  bound: readonly Binding[],
): Promise<AskedRun> {
  const { model } = job.node;
  const lookup = must(model.lookup, "answers are of a lookup");
  const answers = await job.pins.scan(model.name);
  const {
    node,
    bindings,
    asked: done,
  } = await asked(ports, { ...job, sinceMs }, lookup, bound, answers);
  const target = await modelTarget(
    ports,
    { ...job, node, driver: null, isWhole: false, isAsked: false },
    bindings,
  );
  if (target.breaking !== null) {
    const message = `${model.name}: ${target.breaking}, and its answers stay as they were`;
    const hint = `give the columns other names, or the lookup another one and then: tarn drop ${model.name}`;
    throw new LakeError("schema", message, { hint });
  }
  const plan = { ...job.plan, reason: askedText(job.plan.reason, done) };
  return { node, bindings, target, plan, asked: done };
}

/** Why a run was, and what came of its questions. */
function askedText(reason: string, { errors, stopped }: Asked): string {
  const told = errors === 0 ? [] : [`${counted(errors, "answer")} in error`];
  return [reason, ...told, ...(stopped === null ? [] : [`stopped: ${stopped}`])].join("; ");
}

/** The key with its types. Throws `schema` for a column that is not there, or whose text may be written in two ways. */
async function keyColumns(
  ports: RunPorts,
  { node: { model }, settings, runTimeMs }: SteppedJob,
  bindings: readonly Binding[],
): Promise<readonly Column[]> {
  const { timezone } = settings;
  const { columns } = await ports.engine.describe({
    sql: model.sql,
    bindings,
    timezone,
    runTimeMs,
    driver: null,
  });
  return model.key.map((name) => {
    const column = columns.find((one) => one.name.toLowerCase() === name.toLowerCase());
    if (column === undefined) {
      throw new LakeError(
        "schema",
        `key names "${name}", which the query of ${model.name} does not give`,
        {
          hint: suggestion(
            name,
            columns.map((one) => one.name),
            "columns",
          ),
          page: "T0203",
        },
      );
    }
    const { type } = column;
    if (type.kind === "primitive" && TEXT_TYPES.includes(type.name)) return { name, type };
    throw new LakeError(
      "schema",
      `${model.name}: the key ${name} has no one spelling to be asked by`,
      {
        hint: `cast it to varchar in the query: ${name}::varchar AS ${name}`,
      },
    );
  });
}

interface KeysQuery {
  readonly sql: string;
  readonly keys: readonly Column[];
  readonly lookup: Lookup;
  readonly hasAnswers: boolean;
  readonly self: TableRef;
  readonly nowMs: number;
  readonly sinceMs: number | null;
}

/**
 * Keys of the query that are to be asked, as texts, one more than a run takes where there are more; and a row without a
 * key that says when the next of the other answers runs out. Names of ours are such as no query has.
 */
function keysQuery({ sql, keys, lookup, hasAnswers, self, nowMs, sinceMs }: KeysQuery): string {
  const names = keys.map(({ name }) => quote(name));
  const list = names.join(", ");
  const isThere = names.map((name) => `${name} IS NOT NULL`).join(" AND ");
  const texts = names.map((name) => `CAST(${name} AS VARCHAR) AS ${name}`).join(", ");
  const { ttlMs, retryMs, version } = lookup;
  const holds = ttlMs === null ? "CAST(NULL AS BIGINT)" : `_l._at + ${ttlMs}`;
  const isOld = sinceMs === null ? "FALSE" : `_l._at < ${sinceMs}`;
  const equal = names.map((name) => `_k.${name} = _l.${name}`).join(" AND ");
  const last = hasAnswers
    ? `SELECT ${list}, max(epoch_ms(${ASKED_AT_COLUMN})) AS _at,
        arg_max(${ANSWER_COLUMN}, ${ASKED_AT_COLUMN}) AS _was
      FROM ${self.name} WHERE ${VERSION_COLUMN} = ${literal(version)} GROUP BY ${list}`
    : `SELECT ${list}, CAST(NULL AS BIGINT) AS _at, CAST(NULL AS VARCHAR) AS _was FROM _lookup_keys WHERE FALSE`;
  return `WITH _lookup_query AS (${sql}
), _lookup_keys AS (SELECT DISTINCT ${list} FROM _lookup_query WHERE ${isThere}
), _lookup_last AS (${last}
), _lookup_state AS (
  SELECT ${names.map((name) => `_k.${name} AS ${name}`).join(", ")}, _l._at IS NULL OR ${isOld} AS _new,
    CASE WHEN _l._was = 'error' THEN _l._at + ${retryMs} ELSE ${holds} END AS _until
  FROM _lookup_keys AS _k LEFT JOIN _lookup_last AS _l ON ${equal}
)
(SELECT ${texts}, CAST(NULL AS BIGINT) AS ${UNTIL} FROM _lookup_state
  WHERE _new OR coalesce(_until <= ${nowMs}, FALSE) ORDER BY ${list} LIMIT ${LOOKUP_KEYS_MAX + 1})
UNION ALL
(SELECT ${names.map((name) => `CAST(NULL AS VARCHAR) AS ${name}`).join(", ")}, min(_until)
  FROM _lookup_state WHERE NOT _new AND coalesce(_until > ${nowMs}, FALSE))`;
}

/** Answers with the types that they are to have: their texts are such by now, or there are none. */
function answersQuery(keys: readonly Column[], { columns }: Lookup): string {
  const isKey = (name: string): boolean =>
    keys.some((key) => key.name.toLowerCase() === name.toLowerCase());
  const values = [...columns].map(([name, type]) => ({ name, type }));
  const typed = [...keys, ...values.filter(({ name }) => !isKey(name))].map(
    ({ name, type }) => `CAST(${quote(name)} AS ${declaredTypeText(type)}) AS ${quote(name)}`,
  );
  const own = [ANSWER_COLUMN, ERROR_COLUMN, ASKED_AT_COLUMN, VERSION_COLUMN];
  return `SELECT ${[...typed, ...own].join(", ")} FROM ${OUTPUT.name}`;
}

function literal(text: string): string {
  return `'${text.replaceAll("'", "''")}'`;
}
