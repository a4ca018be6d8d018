/** Runs the decoder over files written by a test, as a worker would, and reads back what it wrote. */

import { createHash } from "node:crypto";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type {
  ClaimedFile,
  DecodeColumn,
  Decoded,
  DecodeRequest,
  Inspected,
} from "../../../../core/engine.ts";
import type { ReadOptions } from "../../../../core/ingest/contract.ts";
import { QUARANTINE_COLUMNS } from "../../../../core/ingest/quarantine.ts";
import { BRONZE_COLUMNS, RESCUED_COLUMN } from "../../../../core/table/system-columns.ts";
import type { Field, Schema, Type } from "../../../../core/table/types.ts";
import { decode, inspect } from "../../../../sql/decode/decode.ts";
import { type DuckDB, openDuckDB, type Row } from "../../../../sql/duckdb/duckdb.ts";
import { quoteFileList } from "../../../../sql/syntax/quote.ts";
import type { WorkerContext } from "../../../../sql/worker/context.ts";
import { type TempFolder, tempFolder } from "../../../support/temp-folder.ts";

export const READ: ReadOptions = {
  format: null,
  delimiter: null,
  quote: null,
  encoding: null,
  header: null,
  nulls: [],
  sheet: null,
  headerRow: null,
  skip: null,
  escapeMark: null,
  comment: null,
  folders: false,
  names: [],
  table: null,
};

export const LIMITS = {
  rowsMax: 1e9,
  decodedBytesMax: 1e10,
  timeMs: 60_000,
  memoryBytes: 2e9,
  threads: 2,
};

export const T = {
  string: primitive("string"),
  long: primitive("long"),
  int: primitive("int"),
  double: primitive("double"),
  boolean: primitive("boolean"),
  date: primitive("date"),
  timestamp: primitive("timestamp"),
  timestamptz: primitive("timestamptz"),
  decimal: (precision: number, scale: number): Type => ({ kind: "decimal", precision, scale }),
  list: (element: Type): Type => ({ kind: "list", elementId: 0, elementRequired: false, element }),
  struct: (fields: Readonly<Record<string, Type>>): Type => ({
    kind: "struct",
    fields: Object.entries(fields).map(([name, type]) => ({ id: 0, name, required: false, type })),
  }),
};

export interface Outcome {
  readonly decoded: Decoded;
  /** Rows in the order of the data files; system columns left out unless asked for. */
  readonly rows: Row[];
  readonly rejects: Row[];
}

/** A folder with drops and a fresh worker context. */
export class Harness implements AsyncDisposable {
  readonly folder: TempFolder;
  readonly announced: string[] = [];
  #opened: DuckDB[] = [];
  #count = 0;

  constructor(folder: TempFolder) {
    this.folder = folder;
  }

  static async open(): Promise<Harness> {
    return new Harness(await tempFolder());
  }

  file(name: string, content: string | Uint8Array, more: Partial<ClaimedFile> = {}): ClaimedFile {
    const path = join(this.folder.path, `${this.#count++}-${name.replaceAll("/", "_")}`);
    const bytes = Buffer.from(content as string); // parse: a text or bytes, both are taken
    writeFileSync(path, bytes);
    const from = more.fromByte ?? 0;
    return {
      name,
      path,
      sha256: createHash("sha256").update(bytes).digest("hex"),
      sizeBytes: bytes.length,
      fromByte: from,
      newlines: bytes.subarray(from).filter((byte) => byte === 10).length,
      ...more,
    };
  }

  context(): WorkerContext {
    return {
      open: async (options) => {
        const db = await openDuckDB({
          ...options,
          memoryBytes: 2e9,
          tempFolder: null,
          lockdown: true,
        });
        this.#opened.push(db);
        return db;
      },
      announce: (name) => void this.announced.push(name),
      signal: new AbortController().signal,
    };
  }

  async inspect(
    files: readonly ClaimedFile[],
    read: Partial<ReadOptions> = {},
  ): Promise<Inspected> {
    return inspect(this.context(), {
      files,
      read: { ...READ, ...read },
      sampled: false,
      limits: LIMITS,
    });
  }

  /** Types as text by column name, of the first file. */
  async types(content: string | Uint8Array, name: string, read: Partial<ReadOptions> = {}) {
    const [file] = (await this.inspect([this.file(name, content)], read)).files;
    if (file === undefined || file.fault !== null) throw new Error(file?.fault?.message ?? "none");
    return Object.fromEntries(
      file.columns.map((column) => [column.name, column.unseen ? "unseen" : typeText(column.type)]),
    );
  }

  request(
    files: readonly ClaimedFile[],
    types: Readonly<Record<string, Type>>,
    more: Partial<DecodeRequest> = {},
  ): DecodeRequest {
    const staging = join(this.folder.path, `staging-${this.#count++}`);
    mkdirSync(staging);
    const columns: DecodeColumn[] = Object.keys(types).map((name) => ({
      source: name,
      name,
      required: false,
      expression: null,
    }));
    const rescued = more.onUnknown === "rescue" ? [RESCUED_COLUMN] : [];
    const own = Object.entries(types).map(([name, type]) => ({ name, type }));
    return {
      batch: "batch-1",
      source: "orders",
      ingestedAtMs: Date.UTC(2026, 10, 20, 12),
      files,
      read: READ,
      dialects: files.map(() => null),
      schema: schemaOf([...own, ...rescued, ...BRONZE_COLUMNS]),
      columns,
      onMisfit: "quarantine",
      onFirst: "quarantine",
      onStranger: "quarantine",
      onUnknown: "quarantine",
      spec: { specId: 0, fields: [] },
      redacted: false,
      rejectSchema: schemaOf(QUARANTINE_COLUMNS),
      fixes: [],
      staging,
      limits: LIMITS,
      ...more,
    };
  }

  async decode(
    files: readonly ClaimedFile[],
    types: Readonly<Record<string, Type>>,
    more: Partial<DecodeRequest> = {},
  ): Promise<Outcome> {
    return this.run(this.request(files, types, more));
  }

  async run(request: DecodeRequest): Promise<Outcome> {
    const decoded = await decode(this.context(), request);
    const system = new Set(BRONZE_COLUMNS.map((column) => column.name));
    const names = request.schema.fields.map((field) => field.name);
    const own = names.filter((name) => !system.has(name));
    const list = own.map((name) => `"${name.replaceAll('"', '""')}"`).join(", ");
    const rows = await this.read(
      decoded.data.files.map((file) => file.path),
      list,
    );
    const rejects = await this.read(
      (decoded.rejects?.files ?? []).map((file) => file.path),
      "*",
    );
    return { decoded, rows, rejects };
  }

  async read(paths: readonly string[], list = "*"): Promise<Row[]> {
    if (paths.length === 0) return [];
    const db = await openDuckDB({
      threads: 1,
      memoryBytes: 1e9,
      tempFolder: null,
      allowedPaths: [],
      allowedFolders: [],
      lockdown: false,
    });
    await using _ = db;
    return await db.rows(
      `SELECT ${list} FROM read_parquet(${quoteFileList(paths)}, hive_partitioning = false)`,
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const db of this.#opened) await db.close();
    await this.folder[Symbol.asyncDispose]();
  }
}

/** Ids at every level, from 1. */
export function schemaOf(
  columns: readonly { readonly name: string; readonly type: Type }[],
): Schema {
  let last = 0;
  const withIds = (type: Type): Type => {
    switch (type.kind) {
      case "struct":
        return { kind: "struct", fields: type.fields.map(field) };
      case "list":
        return { ...type, elementId: ++last, element: withIds(type.element) };
      case "map":
        return {
          ...type,
          keyId: ++last,
          key: withIds(type.key),
          valueId: ++last,
          value: withIds(type.value),
        };
      default:
        return type;
    }
  };
  const field = (column: { readonly name: string; readonly type: Type }): Field => ({
    id: ++last,
    name: column.name,
    required: false,
    type: withIds(column.type),
  });
  return { schemaId: 0, fields: columns.map(field) };
}

export function typeText(type: Type): string {
  switch (type.kind) {
    case "primitive":
      return type.name;
    case "decimal":
      return `decimal(${type.precision},${type.scale})`;
    case "struct":
      return `{${type.fields.map((f) => `${f.name}:${typeText(f.type)}`).join(",")}}`;
    case "list":
      return `[${typeText(type.element)}]`;
    default:
      return type.kind;
  }
}

function primitive(
  name: "string" | "long" | "int" | "double" | "boolean" | "date" | "timestamp" | "timestamptz",
): Type {
  return { kind: "primitive", name };
}

/** Field ids by path, and the row-order entry of a Parquet footer. */
export async function fieldIdsOf(path: string) {
  const { parquetMetadata } = await import("hyparquet");
  const bytes = await Bun.file(path).arrayBuffer();
  const metadata = parquetMetadata(bytes);
  const ids: Record<string, number> = {};
  const open: { name: string; left: number }[] = [];
  for (const element of metadata.schema.slice(1)) {
    while (open.at(-1)?.left === 0) open.pop();
    const parent = open.at(-1);
    if (parent !== undefined) parent.left--;
    const name = [...open.map((entry) => entry.name), element.name].join(".");
    if (element.field_id !== undefined) ids[name] = element.field_id;
    if (element.num_children) open.push({ name: element.name, left: element.num_children });
  }
  const order = metadata.key_value_metadata?.find((entry) => entry.key === "tarn.row-order");
  return { ids, order: order?.value };
}
