/**
 * The rows that a run works with: those of its query, bound, named and cast without loss, with provenance; those
 * that the table has, read with their places; and the staging folder for both, with data files that stay and work
 * files that do not.
 */

import { rm } from "node:fs/promises";
import { LakeError } from "../../core/base/errors.ts";
import {
  type MaterializeRequest,
  PROVENANCE_COLUMNS,
  type TableRef,
  type Written,
} from "../../core/engine.ts";
import { FEW_ROWS_MAX } from "../../core/limits.ts";
import { isHidden } from "../../core/table/system-columns.ts";
import type { Column, Field, PartitionSpec, Scan, Schema } from "../../core/table/types.ts";
import { columnsOf } from "../analysis/describe.ts";
import { describedKey } from "../analysis/described-key.ts";
import { CARRIED_COLUMNS, carryProvenance } from "../analysis/provenance.ts";
import { type BindOptions, bindSelect } from "../bind/bind.ts";
import { scanSql } from "../bind/scan.ts";
import type { DuckDB } from "../duckdb/duckdb.ts";
import { duckDBType, isLossless, typeText } from "../duckdb/types.ts";
import { explained } from "../query/error.ts";
import {
  ownColumn,
  quoteFileList,
  quoteFilePath,
  quoteIdentifier,
  quoteLiteral,
  quoteTargetPath,
} from "../syntax/quote.ts";
import { writeRows } from "../write/partition.ts";
import { MoreRows } from "./size.ts";

/** Tells each kept row from all others. */
export const PLACE_COLUMN = ownColumn("place");

/**
 * Work files carry rows between the steps of a run, so that nothing is computed twice and memory stays bounded. Few
 * rows are carried by temporary tables: a file costs some milliseconds, whatever is in it.
 */
export class Staging implements AsyncDisposable {
  readonly #db: DuckDB;
  readonly #folder: string;
  #isSmall: boolean;
  readonly #isFew: boolean;
  readonly #work: string[] = [];
  #count = 0;

  constructor(
    db: DuckDB,
    folder: string,
    {
      isSmall = false,
      isFew = false,
    }: { readonly isSmall?: boolean; readonly isFew?: boolean } = {},
  ) {
    this.#db = db;
    this.#folder = folder;
    this.#isSmall = isSmall;
    this.#isFew = isFew;
  }

  /** So many rows are to be read besides. Throws MoreRows where the run was begun for fewer. */
  readMore(rows: bigint): void {
    if (this.#isFew && rows > FEW_ROWS_MAX) throw new MoreRows();
  }

  /** More rows are to be carried from now on than the run was begun for. */
  carryInFiles(): void {
    this.#isSmall = false;
  }

  /** Writes the rows of a SELECT once; answers a SELECT that reads them again, in their order. */
  async keep(sql: string): Promise<string> {
    if (this.#isSmall) {
      const name = `lake_work_${++this.#count}`;
      await this.#db.run(`CREATE TEMP TABLE ${name} AS ${sql}`);
      return `SELECT * FROM temp.${name}`;
    }
    const path = this.path("parquet");
    await this.#db.run(
      `COPY (${sql}) TO ${quoteTargetPath(path)} (FORMAT parquet, COMPRESSION snappy)`,
    );
    return `SELECT * FROM read_parquet(${quoteFilePath(path)}, hive_partitioning = false)`;
  }

  /** The same, with PLACE_COLUMN. */
  keepPlaced(sql: string): Promise<string> {
    return this.keep(`SELECT *, row_number() OVER () AS ${PLACE_COLUMN} FROM (${sql})`);
  }

  /** Of a work file, that no other has; it is gone when the run is over. */
  path(ending: string): string {
    const path = `${this.#folder}/work-${++this.#count}.${ending}`;
    this.#work.push(path);
    return path;
  }

  /** Of a file that stays, that no other has. */
  kept(ending: string): string {
    return `${this.#folder}/kept-${++this.#count}.${ending}`;
  }

  /** Writes rows as data files of a table. */
  write(
    sql: string,
    name: string,
    target: { readonly schema: Schema; readonly spec: PartitionSpec },
  ): Promise<Written> {
    const { schema, spec } = target;
    return writeRows(this.#db, sql, { schema, spec, folder: this.#folder, name });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#work.map((path) => rm(path, { force: true })));
  }
}

/** A SELECT of what was written; null when nothing was. */
export function writtenSql(written: Written): string | null {
  if (written.files.length === 0) return null;
  const paths = written.files.map((file) => file.path);
  return `SELECT * FROM read_parquet(${quoteFileList(paths)}, hive_partitioning = false)`;
}

const PROVENANCE_NAMES: readonly string[] = PROVENANCE_COLUMNS;

export interface Computed {
  /** A SELECT of the schema's columns, in order. */
  readonly sql: string;
  /** An error of it, in the terms of the model's text. */
  locate(thrown: unknown): unknown;
  /** What is to be said of the rows; without: nothing is. */
  readonly note?: string | null;
}

/** Columns of queries that ran before: a run over other files of the same tables has the same. */
const DESCRIBED = new Map<string, readonly Column[]>();
const DESCRIBED_MAX = 1_000;

function keepDescribed(key: string, columns: readonly Column[]): void {
  if (DESCRIBED.size >= DESCRIBED_MAX) DESCRIBED.clear();
  DESCRIBED.set(key, columns);
}

/**
 * Binds the query and fits it to `request.schema`; `narrow` leaves some of its rows out. Throws LakeError `schema`
 * when a column is missing, new, or of a type that the table's column cannot hold exactly; the hint is the cast to
 * write.
 */
export async function computedRows(
  db: DuckDB,
  request: MaterializeRequest,
  wrap: ((ref: TableRef, sql: string) => string) | null = null,
  narrow: NonNullable<BindOptions["rewrite"]> | null = null,
): Promise<Computed> {
  const { driver } = request;
  const carry = driver === null ? null : carryProvenance(driver);
  const bound = await bindSelect(db, request.sql, request.bindings, {
    runTimeMs: request.runTimeMs,
    orderTies: true,
    rewrite: async (statement, refs) => {
      carry?.(statement, refs);
      await narrow?.(statement, refs);
    },
    ...(wrap === null ? {} : { wrap }),
  });
  // What is left out, and what is put around rows, changes no column.
  const key = describedKey(request);
  let columns = DESCRIBED.get(key);
  try {
    columns ??= await columnsOf(db, bound.sql);
  } catch (thrown) {
    throw explained(bound.locate(thrown));
  }
  keepDescribed(key, columns);
  const items = request.schema.fields.map((field) => itemSql(request, field, columns));
  refuseNewColumns(request, columns);
  return { sql: `SELECT ${items.join(", ")} FROM (${bound.sql}) AS q`, locate: bound.locate };
}

/** The names of the schema's columns, quoted and joined. */
export function columnList(fields: readonly Field[], alias: string | null = null): string {
  const prefix = alias === null ? "" : `${alias}.`;
  return fields.map((field) => `${prefix}${quoteIdentifier(field.name)}`).join(", ");
}

function itemSql(request: MaterializeRequest, field: Field, columns: readonly Column[]): string {
  const name = quoteIdentifier(field.name);
  const place = PROVENANCE_NAMES.indexOf(field.name);
  const carried = request.driver === null ? undefined : CARRIED_COLUMNS[place];
  if (carried !== undefined) {
    return `CAST(q.${quoteIdentifier(carried)} AS ${duckDBType(field.type)}) AS ${name}`;
  }
  const column = columns.find((candidate) => sameName(candidate.name, field.name));
  if (column === undefined) {
    const isProvenance = PROVENANCE_COLUMNS.some((provenance) => provenance === field.name);
    if (isProvenance || request.isLenient === true)
      return `NULL::${duckDBType(field.type)} AS ${name}`;
    throw new LakeError(
      "schema",
      `${request.model} has a column ${field.name} that its query does not give`,
      {
        hint: `add it to the query, or rebuild the table without it: tarn build ${request.model} --full`,
        context: { model: request.model, column: field.name },
      },
    );
  }
  if (!isLossless(column.type, field.type)) throw misfit(request, field, column);
  const own = `q.${quoteIdentifier(column.name)}`;
  const value = `CAST(${own} AS ${duckDBType(field.type)})`;
  const text = quoteLiteral(`${request.model}: ${field.name} is required and NULL`);
  const checked = field.required
    ? `CASE WHEN ${own} IS NULL THEN error(${text}) ELSE ${value} END`
    : value;
  return `${checked} AS ${name}`;
}

function misfit(request: MaterializeRequest, field: Field, column: Column): LakeError {
  const name = quoteIdentifier(field.name);
  const has = typeText(column.type);
  const wants = typeText(field.type);
  const cast = `${name}::${duckDBType(field.type)} AS ${name}`;
  return new LakeError(
    "schema",
    `${request.model}: ${field.name} is ${has} in the query and ${wants} in the table`,
    {
      hint: `write the cast you mean: ${cast}, or rebuild: tarn build ${request.model} --full`,
      context: { model: request.model, column: field.name, query: has, table: wants },
    },
  );
}

function refuseNewColumns(request: MaterializeRequest, columns: readonly Column[]): void {
  if (request.isLenient === true) return;
  const extra = columns.find(
    (column) =>
      !CARRIED_COLUMNS.includes(column.name) &&
      !(request.driver !== null && PROVENANCE_COLUMNS.some((name) => name === column.name)) &&
      !request.schema.fields.some((field) => sameName(field.name, column.name)),
  );
  if (extra === undefined) return;
  throw new LakeError(
    "schema",
    `${request.model} has no column ${extra.name}, which its query gives`,
    {
      hint: `rebuild the table with it: tarn build ${request.model} --full`,
      context: { model: request.model, column: extra.name },
    },
  );
}

function sameName(a: string, b: string): boolean {
  return a.toLowerCase() === b.toLowerCase();
}

/** A table that rows are put into. */
export interface StoredTable {
  readonly scan: Scan;
  readonly schema: Schema;
  readonly spec: PartitionSpec;
}

/** A SELECT of the stored rows under the run's schema, with their places; of some files only when they are named. */
export function storedSql(
  db: DuckDB,
  target: StoredTable,
  localPaths: ReadonlySet<string> | null = null,
): Promise<string> {
  const hidden = target.schema.fields.map((field) => field.name).filter(isHidden);
  const files =
    localPaths === null
      ? target.scan.files
      : target.scan.files.filter((file) => localPaths.has(file.localPath));
  return scanSql(
    db,
    { ...target.scan, files },
    { hidden: new Set(hidden), schema: target.schema, positions: true },
  );
}
