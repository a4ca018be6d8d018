/**
 * Windows that are closed: how far event time has come, which windows the table has by then, and which rows came when
 * theirs was final. A row is late for a window, and may be so for one and not for another. semantics.md, 5.5.
 */

import { must } from "../../core/base/assert.ts";
import { LakeError } from "../../core/base/errors.ts";
import { counted } from "../../core/base/quantity.ts";
import { suggestion } from "../../core/base/suggest.ts";
import type { Binding, MaterializeRequest, TableRef, Written } from "../../core/engine.ts";
import {
  type Closed,
  type ClosingInput,
  type ClosingRequest,
  lateTable,
} from "../../core/model/closing-request.ts";
import { WINDOW_END } from "../../core/model/emit.ts";
import { type SeenInput, watermarkOf } from "../../core/model/watermark.ts";
import { isHidden, PROVENANCE_COLUMNS } from "../../core/table/system-columns.ts";
import type { Field, Scan, Schema } from "../../core/table/types.ts";
import { CARRIED_COLUMNS, carryProvenance } from "../analysis/provenance.ts";
import { bindSelect } from "../bind/bind.ts";
import { ALL_HIDDEN, scanSql } from "../bind/scan.ts";
import type { DuckDB } from "../duckdb/duckdb.ts";
import { duckDBType, typeText } from "../duckdb/types.ts";
import { quoteIdentifier, quoteLiteral } from "../syntax/quote.ts";
import { type KeyPart, keyName } from "./key-parts.ts";
import { keysOnly, rowsBetween } from "./keyed.ts";
import { NO_FILES } from "./publish.ts";
import { type Computed, computedRows, type Staging, type StoredTable, storedSql } from "./rows.ts";

/** What was computed of windows that are closed, and what of the rows that came too late. */
export interface ClosedRows {
  readonly computed: Computed;
  /** The stored rows that it replaces; null where all are. */
  readonly old: string | null;
  readonly closed: Closed;
}

const TIMES: readonly string[] = ["date", "timestamp", "timestamptz"];
const WINDOW_START = "window_start";
const INGESTED = "_ingested_at";
const PLACE = ["_batch", "_source_file", "_row"] as const;
/** Rows of the batch that are in no window, or in one that is final; ends of windows to compute again. */
const LATE = "temp.lake_late";
const REPAIRED = "temp.lake_repaired";

/** Moves the watermark, finds the rows that are late, and computes the windows that it closes or that are repaired. */
export async function closedRows(
  db: DuckDB,
  staging: Staging,
  request: MaterializeRequest,
  closing: ClosingRequest,
): Promise<ClosedRows> {
  const { since, recorded, repairs, lateTarget } = closing;
  const inputs: SeenInput[] = [];
  for (const input of closing.inputs) inputs.push(await seen(db, request, input));
  const us = recorded === null ? advanced(closing, inputs) : recorded.us;
  const lateRows = await findLate(db, request, closing);
  await db.run(`CREATE OR REPLACE TEMP TABLE lake_repaired AS ${await repairedSql(db, closing)}`);
  const [repaired] = await db.rows(`SELECT count(*) AS n FROM ${REPAIRED}`);
  const isRepaired = repairs && Number(repaired?.n) > 0;
  const isLateBefore = (lateTarget?.files.length ?? 0) > 0;
  const lateReplaced = isLateBefore && (since === null || isRepaired);
  const closed: Closed = { us, inputs, lateRows, lateReplaced };
  const computed = await computedRows(db, request);
  const field = endField(request.schema);
  const end = microsOf(quoteIdentifier(field.name), field, request.timezone);
  const isClosed = us === null ? "FALSE" : `${end} <= ${us}`;
  const isOpen = since === null || since.finalUs === null ? "TRUE" : `${end} > ${since.finalUs}`;
  const within = isRepaired ? `(${isOpen} OR ${end} IN (FROM ${REPAIRED}))` : isOpen;
  const sql = `SELECT * FROM (${computed.sql}) AS q WHERE ${isClosed} AND ${within}`;
  const late =
    lateRows === 0n ? null : `${counted(lateRows, "row")} in ${lateTable(request.model)}`;
  return {
    computed: { ...computed, sql, note: repairs ? null : late },
    old: await storedIn(db, staging, request, within),
    closed,
  };
}

/** Writes what is late from now on: what the batch brought, and what of before stays so. */
export async function writeLate(
  db: DuckDB,
  staging: Staging,
  closing: ClosingRequest,
  { lateReplaced }: Closed,
): Promise<Written> {
  const { lateSchema: schema, lateTarget, since, repairs } = closing;
  const names = schema.fields.map(({ name }) => quoteIdentifier(name)).join(", ");
  const noTime = `${WINDOW_END} IS NULL`;
  const parts = [
    `SELECT ${names} FROM ${LATE}${repairs || since === null ? ` WHERE ${noTime}` : ""}`,
  ];
  if (lateReplaced && since !== null && lateTarget !== null) {
    const before = await lateSql(db, lateTarget, schema);
    parts.push(`SELECT ${names} FROM (${before}) WHERE ${noTime}`);
  }
  const all = parts.join(" UNION ALL ");
  const [row] = await db.rows(`SELECT count(*) AS n FROM (${all})`);
  if (Number(row?.n) === 0) return NO_FILES;
  return staging.write(all, "late", { schema, spec: { specId: 0, fields: [] } });
}

function lateSql(db: DuckDB, scan: Scan, schema: Schema): Promise<string> {
  return scanSql(db, scan, { hidden: ALL_HIDDEN, schema });
}

function advanced(
  { inputs, since }: ClosingRequest,
  seenInputs: readonly SeenInput[],
): bigint | null {
  const now = watermarkOf(
    inputs.map((input, index) => ({ ...input, seenUs: seenInputs[index]?.seenUs ?? null })),
  );
  // It never goes back while a model goes on.
  return greater(now, since?.us ?? null);
}

/** What was seen of an input with its fresh rows. Throws `schema` for a column that it does not have. */
async function seen(
  db: DuckDB,
  { model, runTimeMs, timezone }: MaterializeRequest,
  { table, name, column, maxFutureUs, fresh, ...before }: ClosingInput,
): Promise<SeenInput> {
  const { fields } = fresh.schema;
  const field = fields.find((one) => one.name.toLowerCase() === column.toLowerCase());
  if (field === undefined) {
    throw new LakeError(
      "schema",
      `the watermark of ${model} names "${column}", which ${name} does not have`,
      {
        hint: suggestion(
          column,
          fields.map((one) => one.name).filter((one) => !isHidden(one)),
          "columns",
        ),
      },
    );
  }
  const { type } = field;
  if (type.kind !== "primitive" || !TIMES.includes(type.name)) {
    throw new LakeError(
      "schema",
      `the watermark of ${model} names "${column}", which is ${typeText(type)} in ${name}`,
      { hint: "name a date or a timestamp, or declare its type in tarn.yaml" },
    );
  }
  const { seenUs, futureRows, furthestUs } = before;
  if (fresh.files.length === 0) return { table, seenUs, futureRows, furthestUs };
  const rows = await scanSql(db, fresh, { hidden: new Set([INGESTED]) });
  const time = microsOf(quoteIdentifier(field.name), field, timezone);
  const hasArrived = fields.some((one) => one.name === INGESTED);
  const now = `${BigInt(runTimeMs) * 1000n}`;
  const limit = `${hasArrived ? `coalesce(epoch_us(${INGESTED}), ${now})` : now} + ${maxFutureUs}`;
  const [row] = await db.rows(
    `SELECT max(us) FILTER (us <= far) AS seen, count(*) FILTER (us > far) AS future,
       max(us) FILTER (us > far) AS furthest
     FROM (SELECT ${time} AS us, ${limit} AS far FROM (${rows}))`,
  );
  return {
    table,
    seenUs: greater(seenUs, bigOf(row?.seen)),
    futureRows: futureRows + (bigOf(row?.future) ?? 0n),
    furthestUs: greater(furthestUs, bigOf(row?.furthest)),
  };
}

function bigOf(value: unknown): bigint | null {
  return value === null || value === undefined ? null : BigInt(String(value));
}

function greater(a: bigint | null, b: bigint | null): bigint | null {
  if (a === null || b === null) return a ?? b;
  return a > b ? a : b;
}

/** Fills LATE; answers how many rows it has. */
async function findLate(
  db: DuckDB,
  request: MaterializeRequest,
  closing: ClosingRequest,
): Promise<bigint> {
  const parts: string[] = [];
  for (const ref of followedRefs(request, closing)) {
    const part = await lateOf(db, request, closing, ref);
    if (part !== null) parts.push(part);
  }
  const columns = closing.lateSchema.fields.map(
    ({ name, type }) => `NULL::${duckDBType(type)} AS ${quoteIdentifier(name)}`,
  );
  const none = `SELECT ${columns.join(", ")} WHERE FALSE`;
  await db.run(`CREATE OR REPLACE TEMP TABLE lake_late AS ${[none, ...parts].join(" UNION ALL ")}`);
  const [row] = await db.rows(`SELECT count(*) AS n FROM ${LATE}`);
  return BigInt(String(row?.n));
}

/** Of a run that goes on, what changed; of one over everything, all that knows the places of its rows. */
function followedRefs(
  { mode, bindings }: MaterializeRequest,
  { inputs }: ClosingRequest,
): TableRef[] {
  if (mode.kind === "keyed") return mode.changes.map(({ ref }) => ref);
  const names = new Set(inputs.map(({ name }) => name));
  return bindings.flatMap((binding) =>
    binding.kind === "scan" && names.has(binding.ref.name) && hasPlaces(binding)
      ? [binding.ref]
      : [],
  );
}

function hasPlaces(binding: Binding & { readonly kind: "scan" }): boolean {
  return PROVENANCE_COLUMNS.every(
    ({ name }) =>
      name === "_row" || binding.scan.schema.fields.some((field) => field.name === name),
  );
}

/** Rows of one input that are in no window, or in one that is final, as SQL; null where the query does not say. */
async function lateOf(
  db: DuckDB,
  request: MaterializeRequest,
  { since }: ClosingRequest,
  ref: TableRef,
): Promise<string | null> {
  const { mode } = request;
  const index = mode.kind === "keyed" ? mode.changes.findIndex((one) => one.ref === ref) : -1;
  const end = partOf(endField(request.schema));
  const start = request.schema.fields.find((field) => field.name.toLowerCase() === WINDOW_START);
  let fields: readonly KeyPart[] = [end];
  let isTold = false;
  const bound = await bindSelect(db, request.sql, request.bindings, {
    runTimeMs: request.runTimeMs,
    orderTies: true,
    read: (other, hidden) =>
      mode.kind === "keyed" ? rowsBetween(db, request, mode, index, other, hidden) : null,
    rewrite: async (statement, refs) => {
      fields = start === undefined ? [end] : [end, partOf(start)];
      const way = await keysOnly(db, request, statement, refs, ref, fields, 0, true);
      isTold = way?.keys.has(WINDOW_END) === true;
      if (way?.keys.has(WINDOW_START) !== true) fields = [end];
      carryProvenance(ref)(statement, refs);
    },
  });
  // All is computed where an input changes that does not say of which windows its rows are.
  if (!isTold) return null;
  const [windowEnd, windowStart] = fields.map((_, nth) => quoteIdentifier(keyName(nth)));
  const isLate = since === null || since.finalUs === null ? "FALSE" : `e <= ${since.finalUs}`;
  const carried = CARRIED_COLUMNS.map((name) => quoteIdentifier(name));
  const names = PROVENANCE_COLUMNS.map(({ name }) => name);
  const kept = carried.map((own, nth) => `${own} AS ${names[nth]}`).join(", ");
  await db.run(
    `CREATE OR REPLACE TEMP TABLE lake_late_rows AS SELECT * FROM (
       SELECT ${windowStart ?? "NULL"}::TIMESTAMPTZ AS s, ${windowEnd}::TIMESTAMPTZ AS w,
         ${microsOf(windowEnd ?? "", end, request.timezone)} AS e, ${kept}
       FROM (${bound.sql})) WHERE e IS NULL OR ${isLate}`,
  );
  const [row] = await db.rows("SELECT count(*) AS n FROM temp.lake_late_rows");
  if (Number(row?.n) === 0) return null;
  return wholeLate(db, request, ref, since?.us ?? null, index);
}

/** The late rows with all that their table has of them. */
async function wholeLate(
  db: DuckDB,
  request: MaterializeRequest,
  ref: TableRef,
  watermarkUs: bigint | null,
  index: number,
): Promise<string> {
  const binding = request.bindings.find((one) => one.ref.name === ref.name);
  const whole = must(binding?.kind === "scan" ? binding.scan : null, "an input is bound to files");
  const { mode } = request;
  const added = mode.kind === "keyed" ? mode.changes[index]?.added : undefined;
  const rows = await scanSql(db, added ?? whole, { hidden: ALL_HIDDEN, schema: whole.schema });
  const visible = whole.schema.fields.filter(({ name }) => !isHidden(name));
  const pairs = visible.map(({ name }) => `${quoteIdentifier(name)} := r.${quoteIdentifier(name)}`);
  const json = pairs.length === 0 ? "NULL" : `to_json(struct_pack(${pairs.join(", ")}))::VARCHAR`;
  const mark = watermarkUs === null ? "NULL" : `make_timestamptz(${watermarkUs})`;
  // A place names one row; one that another writer took the places from has none.
  const same = PLACE.map((name) => `r.${name} = l.${name}`).join(" AND ");
  const name = `lake_late_of_${Math.max(index, 0)}`;
  await db.run(
    `CREATE OR REPLACE TEMP TABLE ${name} AS SELECT ${quoteLiteral(whole.table)} AS source,
       CASE WHEN r._row IS NULL THEN NULL ELSE ${json} END AS row, if(l.e IS NULL, 'no-time', 'closed') AS reason,
       l.s AS window_start, l.w AS window_end, ${mark}::TIMESTAMPTZ AS watermark,
       l._batch, l._source_file, l._row, l._ingested_at
     FROM temp.lake_late_rows AS l LEFT JOIN (${rows}) AS r ON ${same}`,
  );
  return `SELECT * FROM temp.${name}`;
}

/** Ends of the windows that late rows are in, those of before included. */
async function repairedSql(db: DuckDB, closing: ClosingRequest): Promise<string> {
  const { lateTarget, lateSchema, repairs } = closing;
  if (!repairs) return "SELECT 0::BIGINT AS e WHERE FALSE";
  const parts = [`SELECT window_end FROM ${LATE}`];
  if (lateTarget !== null && lateTarget.files.length > 0) {
    parts.push(`SELECT window_end FROM (${await lateSql(db, lateTarget, lateSchema)})`);
  }
  const ends = "epoch_us(window_end)";
  return `SELECT DISTINCT ${ends} AS e FROM (${parts.join(" UNION ALL ")}) WHERE window_end IS NOT NULL`;
}

/** The stored rows of windows that are computed; null where all are computed. */
async function storedIn(
  db: DuckDB,
  staging: Staging,
  request: MaterializeRequest,
  within: string,
): Promise<string | null> {
  const { mode, schema, spec } = request;
  if (mode.kind !== "keyed") return null;
  const target: StoredTable = { scan: mode.target, schema, spec };
  return staging.keepPlaced(`SELECT * FROM (${await storedSql(db, target)}) AS q WHERE ${within}`);
}

/** Zoneless times are those of the session's zone; where that is UTC they need not be looked up in it. */
function microsOf(time: string, { type }: Pick<Field, "type">, timezone: string): string {
  const isPlain = type.kind === "primitive" && type.name === "timestamp" && timezone === "UTC";
  return isPlain ? `epoch_us(${time})` : `epoch_us(${time}::TIMESTAMPTZ)`;
}

function partOf({ name, type }: Field): KeyPart {
  return { name, type, sql: (value) => value };
}

function endField({ fields }: Schema): Field {
  const found = fields.find(({ name }) => name.toLowerCase() === WINDOW_END);
  return must(found, "a model whose windows close has their ends");
}
