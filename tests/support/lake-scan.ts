/** Tables for tests of the query engine: real Parquet files with field ids in a temp folder, as scans. */

import { mkdir, mkdtemp, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Binding, Written } from "../../core/engine.ts";
import type { DataFile, Field, Scan, ScanFile, Schema, Type } from "../../core/table/types.ts";
import { type DuckDB, openDuckDB, type Row } from "../../sql/duckdb/duckdb.ts";
import { duckDBType } from "../../sql/duckdb/types.ts";
import { quoteIdentifier, quoteLiteral, quoteTargetPath } from "../../sql/syntax/quote.ts";
import type { WorkerContext } from "../../sql/worker/context.ts";
import { compact } from "../../sql/write/compact.ts";
import { fieldIdsClause } from "../../sql/write/partition.ts";

const MEMORY_BYTES = 1024 * 1024 * 1024;

/** A temp folder with one DuckDB that may do anything in it. */
export class Bench implements AsyncDisposable {
  readonly folder: string;
  readonly db: DuckDB;
  #count = 0;

  private constructor(folder: string, db: DuckDB) {
    this.folder = folder;
    this.db = db;
  }

  static async open(timezone = "UTC"): Promise<Bench> {
    const folder = await mkdtemp(join(tmpdir(), "query-"));
    const db = await openDuckDB({
      threads: 2,
      memoryBytes: MEMORY_BYTES,
      tempFolder: null,
      allowedPaths: [],
      allowedFolders: [folder],
      lockdown: false,
      timezone,
    });
    return new Bench(folder, db);
  }

  /** What a handler is given: connections of a locked instance that sees only what it asks for. */
  context(): WorkerContext {
    const signal = new AbortController().signal;
    const opened = async (options: Parameters<WorkerContext["open"]>[0]): Promise<DuckDB> =>
      openDuckDB({
        threads: options.threads,
        memoryBytes: MEMORY_BYTES,
        tempFolder: join(this.folder, "spill"),
        allowedPaths: options.allowedPaths,
        allowedFolders: options.allowedFolders,
        lockdown: true,
        ...(options.timezone === undefined ? {} : { timezone: options.timezone }),
      });
    return { open: opened, announce: () => {}, signal };
  }

  /** A path that no earlier call gave. */
  path(name: string): string {
    return join(this.folder, `${++this.#count}-${name}`);
  }

  /** Writes the rows of a query as one data file under the schema, columns by name. */
  async file(schema: Schema, sql: string, options: FileOptions = {}): Promise<ScanFile> {
    const path = this.path(options.name ?? "data.parquet");
    const footer =
      options.rowOrder === undefined
        ? ""
        : `, KV_METADATA {'tarn.row-order': ${quoteLiteral(options.rowOrder)}}`;
    const columns = schema.fields.map(
      (f) => `${quoteIdentifier(f.name)}::${duckDBType(f.type)} AS ${quoteIdentifier(f.name)}`,
    );
    await this.db.run(
      `COPY (SELECT ${columns.join(", ")} FROM (${sql})) TO ${quoteTargetPath(path)}
       (FORMAT parquet, FIELD_IDS ${fieldIdsClause(schema)}${footer})`,
    );
    const rows = await this.db.rows(`SELECT count(*) AS n FROM (${sql})`);
    return scanFile(path, BigInt(String(rows[0]?.n)), (await stat(path)).size, options);
  }

  /** The files of a scan after the first so many of them were made one, with what deletes rows of the rest. */
  async compact(
    scan: Scan,
    count: number,
    sequence: bigint,
  ): Promise<{ readonly files: readonly ScanFile[]; readonly deletes: readonly DataFile[] }> {
    const staging = join(this.folder, `compact-${sequence}-${crypto.randomUUID()}`);
    await mkdir(staging);
    const group = scan.files.slice(0, count).map(({ file }) => file.path);
    const made = await compact(this.context(), {
      scan,
      groups: group.length === 0 ? [] : [group],
      schema: scan.schema,
      specId: 0,
      partition: [],
      sortBy: [],
      staging,
      memoryBytes: 1024 ** 3,
      threads: 2,
    });
    const gone = new Set(made.replaced);
    const filesOf = ({ files }: Written, content: DataFile["content"]) =>
      files.map(({ path, rows, sizeBytes }) =>
        scanFile(path, rows, Number(sizeBytes), { content, sequence }),
      );
    const kept = scan.files.filter(({ file }) => !gone.has(file.path));
    const deletes = scan.deletes.filter(({ path }) => !gone.has(path));
    const marks = filesOf(made.marks, "position-deletes").map(({ file }) => file);
    return { files: [...kept, ...filesOf(made, "data")], deletes: [...deletes, ...marks] };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.db.close();
    await rm(this.folder, { recursive: true, force: true });
  }
}

export interface FileOptions {
  readonly name?: string;
  readonly rowOrder?: string;
  readonly sequence?: bigint;
  readonly content?: DataFile["content"];
  readonly equalityIds?: readonly number[];
  /** Recorded path, when it is not that of the file. */
  readonly recorded?: string;
}

export function scanFile(
  path: string,
  rows: bigint,
  sizeBytes: number,
  options: FileOptions = {},
): ScanFile {
  return {
    localPath: path,
    file: {
      content: options.content ?? "data",
      path: options.recorded ?? `file://${path}`,
      format: "PARQUET",
      specId: 0,
      partition: [],
      recordCount: rows,
      sizeBytes: BigInt(sizeBytes),
      metrics: new Map(),
      splitOffsets: null,
      sortOrderId: null,
      equalityIds: options.equalityIds ?? null,
      referencedDataFile: null,
      dataSequenceNumber: options.sequence ?? 1n,
      fileSequenceNumber: options.sequence ?? 1n,
      snapshotId: 1n,
    },
  };
}

/** A schema from names and types, ids counted up from 1 at every level. */
export function schemaOf(columns: Readonly<Record<string, Type | Type["kind"] | string>>): Schema {
  let last = 0;
  const assign = (type: Type): Type => {
    switch (type.kind) {
      case "struct":
        return {
          kind: "struct",
          fields: type.fields.map((field) => ({
            ...field,
            id: ++last,
            type: assign(field.type),
          })),
        };
      case "list":
        return { ...type, elementId: ++last, element: assign(type.element) };
      case "map":
        return {
          ...type,
          keyId: ++last,
          valueId: ++last,
          key: assign(type.key),
          value: assign(type.value),
        };
      default:
        return type;
    }
  };
  const fields: Field[] = [];
  for (const [name, type] of Object.entries(columns)) {
    const id = ++last;
    const own = typeof type === "string" ? simpleType(type) : type;
    fields.push({ id, name, required: false, type: assign(own) });
  }
  return { schemaId: 0, fields };
}

export function simpleType(text: string): Type {
  const decimal = /^decimal\((\d+),(\d+)\)$/.exec(text);
  if (decimal !== null) {
    return { kind: "decimal", precision: Number(decimal[1]), scale: Number(decimal[2]) };
  }
  return { kind: "primitive", name: text } as Type; // parse: tests name primitives only
}

export function scanOf(
  table: string,
  schema: Schema,
  files: readonly ScanFile[],
  deletes: readonly ScanFile[] = [],
): Scan {
  return {
    table,
    uuid: `uuid-of-${table}`,
    snapshotId: files.length === 0 ? null : 1n,
    sequenceNumber: 1n,
    schema,
    files,
    deletes: deletes.map((file) => file.file),
  };
}

export function scanBinding(name: string, scan: Scan, at: Binding["ref"]["at"] = null): Binding {
  return { kind: "scan", ref: { name, at, offset: null }, scan };
}

/** Rows as JSON-ready values: bigints as text. */
export function plain(rows: readonly Row[]): unknown[] {
  return rows.map((row) =>
    Object.fromEntries(
      Object.entries(row).map(([name, value]) => [
        name,
        typeof value === "bigint" ? Number(value) : value,
      ]),
    ),
  );
}
