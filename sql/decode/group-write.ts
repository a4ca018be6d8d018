/** What a group of files lands, written as the table's files. */

import { rmSync } from "node:fs";
import { join } from "node:path";
import { LakeError } from "../../core/base/errors.ts";
import type { DecodeRequest, StagedFile } from "../../core/engine.ts";
import { UNPARTITIONED } from "../../core/table/partition.ts";
import { ROW_ORDER_KEY } from "../../core/table/system-columns.ts";
import type { FieldId, PartitionField, PartitionValue } from "../../core/table/types.ts";
import type { DuckDB } from "../duckdb/duckdb.ts";
import { quoteFileList, quoteIdentifier } from "../syntax/quote.ts";
import { partitionColumns, writeRows } from "../write/partition.ts";
import type { Prepared } from "./prepared.ts";
import type { Rejects } from "./rejects.ts";
import { targetList } from "./target-list.ts";

/** A file as the statement reads it: itself, or a repaired copy of it. */
export interface Work {
  readonly prepared: Prepared;
  readonly path: string;
  /** Each of its rows was proven: only casts are needed. */
  readonly trusted: boolean;
  readonly longestBytes: number;
}

export interface GroupContext {
  readonly db: DuckDB;
  readonly request: DecodeRequest;
  readonly rejects: Rejects;
  /** The partition of every row of the batch; null where their values decide. */
  readonly constant: readonly PartitionValue[] | null;
  readonly announce: (fileName: string) => void;
  /** A name for an output that no other has. */
  readonly nextName: () => string;
}

const PARTITIONS_MAX = 1_000;
const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
const NO_DROPS = { files: [], name: "NULL", index: "0" };
/** DuckDB forgets an interrupt that comes between two statements. */
const INTERRUPT_EVERY_MS = 10;

/** Writes the rows of a SELECT of the schema's columns, in order, into the request's staging folder. */
export async function write(
  context: GroupContext,
  sql: string,
  works: readonly Work[],
  name = context.nextName(),
): Promise<readonly StagedFile[]> {
  const { db, request, constant } = context;
  const [only] = works;
  const base = works.length === 1 ? (only?.prepared.rowsBefore ?? 0) : 0;
  const written = await writeRows(db, sql, {
    schema: request.schema,
    spec: constant === null ? request.spec : UNPARTITIONED,
    folder: request.staging,
    name,
    ...(constant === null ? {} : { footer: { [ROW_ORDER_KEY]: String(base) } }),
  });
  if (written.files.length > PARTITIONS_MAX) {
    throw new LakeError("input", `the files hold ${written.files.length} partitions`, {
      hint: `partition more coarsely: at most ${PARTITIONS_MAX} partitions are written at once`,
      context: { file: only?.prepared.file.name ?? "" },
    });
  }
  if (constant === null) return written.files;
  return written.files.map((file) => ({ ...file, partition: constant }));
}

/** The partition of every row where the spec only looks at constants of the batch; null where it does not. */
export async function constantPartition(
  db: DuckDB,
  request: DecodeRequest,
): Promise<readonly PartitionValue[] | null> {
  const constants = new Set(["_source", "_batch", "_ingested_at"]);
  const nameById = new Map(request.schema.fields.map((field) => [field.id, field.name]));
  const isConstant = request.spec.fields.every((field) =>
    constants.has(nameById.get(field.sourceId) ?? ""),
  );
  if (!isConstant) return null;
  const known = knownPartitions(request);
  if (known !== null) return known;
  const columns = partitionColumns(request.spec, request.schema);
  const list = columns.map((column, index) => `${column.sql} AS p${index}`).join(", ");
  const rows = await db.rows(
    `SELECT ${list} FROM (SELECT ${targetList(request, new Map(), NO_DROPS, "NULL")})`,
  );
  return columns.map((column, index) => column.value(rows[0]?.[`p${index}`] ?? null));
}

/** The partition of every row where the instant of the batch alone says it; null where it does not. */
export function knownPartitions(request: DecodeRequest): readonly PartitionValue[] | null {
  const nameById = new Map(request.schema.fields.map((field) => [field.id, field.name]));
  const known = request.spec.fields.map((field) => knownPartition(field, nameById, request));
  return known.every((value) => value !== undefined) ? known : null;
}

/** What the instant of the batch comes to; undefined for what the engine is asked. */
function knownPartition(
  { sourceId, transform }: PartitionField,
  nameById: ReadonlyMap<FieldId, string>,
  { ingestedAtMs }: DecodeRequest,
): PartitionValue | undefined {
  const unitMs = { day: DAY_MS, hour: HOUR_MS }[transform];
  if (unitMs === undefined || nameById.get(sourceId) !== "_ingested_at") return undefined;
  return Math.floor(ingestedAtMs / unitMs);
}

/** Rows of each file among what was written, by its name. */
export async function countByFile(
  context: GroupContext,
  staged: readonly StagedFile[],
  works: readonly Work[],
): Promise<ReadonlyMap<string, number>> {
  const total = staged.reduce((sum, file) => sum + Number(file.rows), 0);
  const only = works.length === 1 ? works[0] : undefined;
  if (only !== undefined) return new Map([[only.prepared.file.name, total]]);
  if (staged.length === 0) return new Map();
  const rows = await context.db.rows(
    `SELECT ${quoteIdentifier("_source_file")} AS name, count(*) AS rows
     FROM read_parquet(${quoteFileList(staged.map((file) => file.path))}, hive_partitioning = false)
     GROUP BY ALL`,
  );
  return new Map(rows.map((row) => [String(row.name), Number(row.rows)]));
}

/** The statement over plain files, run while they are still being walked; what it wrote counts when all were plain. */
export class EarlyWrite {
  readonly #context: GroupContext;
  readonly #name: string;
  readonly #written: Promise<readonly StagedFile[] | null>;
  #stopped = false;
  #ended = false;

  /** Starts after the first window was walked: a smaller file is walked before a statement would be worth it. */
  constructor(context: GroupContext, sql: string, works: readonly Work[]) {
    this.#context = context;
    this.#name = context.nextName();
    this.#written = this.#run(sql, works);
  }

  /** Gives up what is being written. */
  stop(): void {
    this.#stopped = true;
  }

  /** What was written; null when it was stopped or failed, and nothing of it is left. */
  async result(): Promise<readonly StagedFile[] | null> {
    if (this.#stopped) await this.#interrupted();
    return this.#written;
  }

  async #run(sql: string, works: readonly Work[]): Promise<readonly StagedFile[] | null> {
    await new Promise((resolve) => setImmediate(resolve));
    const staged = this.#stopped ? null : await this.#write(sql, works);
    this.#ended = true;
    if (!this.#stopped) return staged;
    this.#discard();
    return null;
  }

  async #write(sql: string, works: readonly Work[]): Promise<readonly StagedFile[] | null> {
    try {
      return await write(this.#context, sql, works, this.#name);
    } catch {
      // Whatever it was, the statement is run once more after the walk and says it again.
      this.#stopped = true;
      return null;
    }
  }

  async #interrupted(): Promise<void> {
    while (!this.#ended) {
      this.#context.db.interrupt();
      await Bun.sleep(INTERRUPT_EVERY_MS);
    }
  }

  #discard(): void {
    const path = join(this.#context.request.staging, this.#name);
    for (const each of [`${path}.parquet`, path]) rmSync(each, { recursive: true, force: true });
  }
}
