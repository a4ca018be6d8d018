/** Parquet files that others wrote, taken into a table as they are: looked at by the command, named by the engine. */

import { createReadStream, realpathSync } from "node:fs";
import { basename, join } from "node:path";
import { LakeError } from "../../core/base/errors.ts";
import type { Json } from "../../core/base/json.ts";
import { counted } from "../../core/base/quantity.ts";
import { suggestion } from "../../core/base/suggest.ts";
import { commitOnce, publish } from "../../core/table/publish.ts";
import { typeToText } from "../../core/table/type-text.ts";
import type {
  ColumnMetrics,
  DataFile,
  NamedField,
  PartitionValue,
  Schema,
  Table,
  TableName,
  Type,
} from "../../core/table/types.ts";
import { type DuckDB, openDuckDB } from "../../sql/duckdb/duckdb.ts";
import { icebergType } from "../../sql/duckdb/types.ts";
import { escapeGlob, quoteLiteral } from "../../sql/syntax/quote.ts";
import { describeFile } from "../../storage/catalog/added-file.ts";
import { copyFile, placeFile } from "../../storage/catalog/adopt-table.ts";
import { LocalFiles } from "../../storage/disk/local.ts";
import { extendedMapping } from "../../storage/iceberg/name-mapping.ts";
import { dataFolder, relativePath } from "../../storage/iceberg/recorded-files.ts";
import { NAME_MAPPING } from "../../storage/iceberg/schema.ts";
import { systemRandom } from "../clock.ts";
import type { Session } from "../open.ts";
import { openedTable } from "./write.ts";

export interface AskedFile {
  /** Absolute. */
  readonly path: string;
  /** As it was written. */
  readonly shown: string;
}

export interface AddRequest {
  readonly table: string;
  readonly files: readonly AskedFile[];
  /** Second names in place of copies: whoever writes into a file then writes into the table. */
  readonly link: boolean;
  /** Also what was added before, where no file of the table is it any more. */
  readonly again: boolean;
}

/** Files that lie in the table's folder, as plain JSON; nothing names them yet. */
export interface StagedFiles {
  readonly table: TableName;
  readonly uuid: string;
  readonly schemaId: number;
  /** Null where files have ids, and need no names. */
  readonly mapping: string | null;
  readonly files: readonly WireDataFile[];
  readonly again: boolean;
}

/**
 * Property of a table: the beginnings of the hashes of all that was added. A file loses its name when its rows are
 * written anew, by a compaction or a change of one of them, and its snapshots are let go of some day.
 */
const ADDED = "tarn.added-files";
const ADDED_LENGTH = 16;

interface WireDataFile {
  readonly path: string;
  readonly specId: number;
  readonly rows: string;
  readonly sizeBytes: string;
  readonly partition: readonly Json[];
  readonly splitOffsets: readonly string[] | null;
  readonly metrics: readonly (readonly [number, Readonly<Record<string, string>>])[];
}

/** Looks at each file, and gives the table its bytes. Throws `input`, `conflict` for one that is there. */
export async function stageFiles(session: Session, request: AddRequest): Promise<StagedFiles> {
  const opening = {
    name: request.table,
    kind: "rows",
    verb: "add-files to",
    asOf: null,
    branch: null,
  } as const;
  const opened = await openedTable(session, opening);
  if (opened === null) {
    throw new LakeError("not-found", `there is no table ${request.table}`, {
      hint: "to make one of a folder of Parquet files: tarn import FOLDER --as NAME",
    });
  }
  const { table, scan } = opened;
  if (table.formatVersion === 1) {
    throw new LakeError(
      "unsupported",
      `${table.name} is of format version ${table.formatVersion}`,
      {
        hint: `upgrade it first: alter table ${table.name} set ('format-version' = '2')`,
      },
    );
  }
  const mapping = extendedMapping(table.properties[NAME_MAPPING], table.schema);
  if (mapping === null) {
    throw new LakeError(
      "conflict",
      `files of ${table.name} have a column of before under a name of now`,
      {
        hint: "rows can be written anew: insert into … by name from 'file.parquet'",
      },
    );
  }
  const there = new Set(scan.files.map(({ file }) => contentOf(file.path)));
  const looked = await lookAt(request.files, table.schema, there, table.name);
  if (!request.again) checkNew(table, looked);
  const files = await place(session, table, looked, { link: request.link, names: mapping.names });
  const isNamed = looked.some(({ hasIds }) => !hasIds);
  return {
    table: table.name,
    uuid: table.uuid,
    schemaId: table.schema.schemaId,
    mapping: isNamed ? mapping.text : null,
    files,
    again: request.again,
  };
}

/** Throws `conflict` for what was added once, and whose rows may be in other files by now. */
function checkNew(
  table: Table,
  files: readonly { readonly sha256: string; readonly shown: string }[],
): void {
  const before = addedTo(table);
  const found = files.find(({ sha256 }) => before.has(sha256.slice(0, ADDED_LENGTH)));
  if (found === undefined) return;
  throw new LakeError("conflict", `${found.shown} was added to ${table.name} before`, {
    hint: "its rows were written anew since, changed or taken out: leave it out; if none of them are there: --again",
  });
}

function addedTo({ properties }: Table): ReadonlySet<string> {
  return new Set((properties[ADDED] ?? "").split(",").filter((one) => one !== ""));
}

/** One commit that appends them. Throws `conflict` where the columns are others by now. */
export async function addFilesOf(
  { catalog }: Session,
  staged: StagedFiles,
): Promise<{ readonly commit: bigint; readonly sequence: bigint; readonly rows: bigint }> {
  const added = staged.files.map(fromWire);
  const rows = added.reduce((sum, { recordCount }) => sum + recordCount, 0n);
  const message = `${staged.table}: ${counted(added.length, "file")} added as they are`;
  return await publish({
    what: staged.table,
    hint: "nothing was changed: try again",
    attempt: async () => {
      const table = await catalog.load(staged.table);
      if (table?.uuid !== staged.uuid || table.schema.schemaId !== staged.schemaId) {
        throw new LakeError("conflict", `${staged.table} is another by now, or has other columns`, {
          hint: "run it again: the files are looked at once more",
        });
      }
      const { mapping } = staged;
      const hashes = staged.files.map(({ path }) => ({ sha256: contentOf(path), shown: "a file" }));
      if (!staged.again) checkNew(table, hashes);
      const known = new Set(addedTo(table));
      for (const { sha256 } of hashes) known.add(sha256.slice(0, ADDED_LENGTH));
      const properties = {
        [ADDED]: [...known].join(","),
        ...(mapping === null ? {} : { [NAME_MAPPING]: mapping }),
      };
      const change = {
        table: staged.table,
        uuid: staged.uuid,
        create: null,
        base: table.current?.snapshotId ?? null,
        schema: null,
        operation: "append",
        added,
        removed: [],
        summary: {},
        properties,
      } as const;
      const nothing = { facts: [], batches: [], withdrawn: [], runs: [] };
      const committed = await commitOnce(
        catalog,
        { kind: "write", tables: [change], ...nothing, message },
        message,
      );
      if (committed === null) return null;
      const sequence = committed.snapshots.get(staged.table)?.sequenceNumber ?? 0n;
      return { commit: committed.number, sequence, rows };
    },
  });
}

interface Looked extends AskedFile {
  readonly sha256: string;
  readonly hasIds: boolean;
}

/** Each file by its bytes and its columns. The engine that reads foreign footers is of this process alone. */
async function lookAt(
  files: readonly AskedFile[],
  schema: Schema,
  there: ReadonlySet<string>,
  table: TableName,
): Promise<readonly Looked[]> {
  const db = await openDuckDB({
    threads: 1,
    memoryBytes: LOOK_BYTES,
    tempFolder: null,
    allowedPaths: files.map(({ path }) => path),
    allowedFolders: [],
    lockdown: true,
  });
  const seen = new Map<string, string>();
  const looked: Looked[] = [];
  try {
    for (const { path, shown } of files) {
      const hasIds = await checkColumns(db, { path, shown }, schema, table);
      const sha256 = await hashOf(path);
      const before = seen.get(sha256);
      if (before !== undefined || there.has(sha256)) {
        throw new LakeError("conflict", `${shown} is in ${table} already`, {
          hint:
            before === undefined
              ? "the same bytes were added before; leave it out"
              : `as ${before}`,
        });
      }
      seen.set(sha256, shown);
      looked.push({ path, shown, sha256, hasIds });
    }
  } finally {
    await db.close();
  }
  return looked;
}

const LOOK_BYTES = 256 << 20;

/** Whether it has field ids. Throws `input` for columns that are none of the table, or of other types. */
async function checkColumns(
  db: DuckDB,
  { path, shown }: AskedFile,
  schema: Schema,
  table: TableName,
): Promise<boolean> {
  const file = quoteLiteral(escapeGlob(path));
  const anew = `its rows can be written anew: tarn sql -c "insert into ${table} by name from '${shown}'"`;
  const wrong = (what: string): LakeError =>
    new LakeError("input", `${shown}: ${what}`, { hint: anew });
  let elements: readonly Readonly<Record<string, unknown>>[];
  let columns: readonly Readonly<Record<string, unknown>>[];
  try {
    elements = await db.rows(
      `SELECT name, type, field_id, num_children FROM parquet_schema(${file})`,
    );
    columns = await db.rows(`DESCRIBE FROM read_parquet(${file}, hive_partitioning = false)`);
  } catch (thrown) {
    throw new LakeError("input", `${shown} is no Parquet file that can be read`, {
      hint: thrown instanceof Error ? thrown.message : "write it again",
      cause: thrown,
    });
  }
  const old = elements.find(({ type }) => type === "INT96");
  if (old !== undefined) throw wrong(`${String(old.name)} has timestamps of the old kind (INT96)`);
  const hasIds = elements.some(({ field_id }) => field_id !== null);
  const idByName = new Map(elements.map(({ name, field_id }) => [String(name), field_id]));
  const names = schema.fields.map(({ name }) => name);
  for (const row of columns) {
    const name = String(row.column_name);
    const field = schema.fields.find((one) => one.name === name);
    if (field === undefined) {
      throw new LakeError("input", `${shown}: ${table} has no column ${name}`, {
        hint: `${suggestion(name, names, "columns")}; to have it: alter table ${table} add column ${name} …`,
      });
    }
    const type = String(row.column_type);
    if (READER_NAMES.has(name)) throw wrong(`a column ${name} stands in the reader's way`);
    if (!isReadAs(type, name, field.type)) {
      throw wrong(`${name} is ${type}, and ${typeToText(field.type)} in ${table}`);
    }
    if (hasIds && (idByName.get(name) !== field.id || field.type.kind !== "primitive")) {
      throw wrong(`${name} has the field id of another table's column`);
    }
  }
  const absent = schema.fields.find(
    ({ name, required }) => required && !columns.some((row) => row.column_name === name),
  );
  if (absent === undefined) return hasIds;
  throw wrong(`${absent.name} may not be absent, and it is not in it`);
}

const READER_NAMES: ReadonlySet<string> = new Set(["filename", "file_row_number", "file_index"]);
/** Types that other engines would read as other values, or not at all. */
const NOT_ICEBERG =
  /\b(?:UTINYINT|USMALLINT|UINTEGER|UBIGINT|HUGEINT|UHUGEINT|TIMESTAMP_(?:S|MS|NS)|TIME_NS)\b/;

/** Equal, or one of the promotions that every reader of Iceberg makes. Iceberg spec, "Schema Evolution". */
function isReadAs(type: string, name: string, wanted: Type): boolean {
  if (NOT_ICEBERG.test(type)) return false;
  try {
    return fits(icebergType(type, name), wanted);
  } catch (thrown) {
    if (thrown instanceof LakeError) return false;
    throw thrown;
  }
}

function fits(from: Type, to: Type): boolean {
  switch (from.kind) {
    case "primitive": {
      if (to.kind !== "primitive") return false;
      const promoted = { int: "long", float: "double" } as Readonly<Record<string, string>>; // parse: of the two
      return from.name === to.name || promoted[from.name] === to.name;
    }
    case "decimal":
      return to.kind === "decimal" && from.scale === to.scale && from.precision <= to.precision;
    case "fixed":
      return to.kind === "fixed" && from.length === to.length;
    case "list":
      return to.kind === "list" && fits(from.element, to.element);
    case "map":
      return to.kind === "map" && fits(from.key, to.key) && fits(from.value, to.value);
    case "struct":
      return (
        to.kind === "struct" &&
        from.fields.every(({ name, type }) => {
          const field = to.fields.find((one) => one.name === name);
          return field !== undefined && fits(type, field.type);
        })
      );
  }
}

async function place(
  { warehouse }: Session,
  table: Table,
  looked: readonly Looked[],
  { link, names }: { readonly link: boolean; readonly names: readonly NamedField[] },
): Promise<readonly WireDataFile[]> {
  const random = systemRandom;
  const io = await LocalFiles.open({ root: warehouse, random });
  const folder = dataFolder(table);
  const local = join(warehouse, relativePath(folder, warehouse));
  await io.durable.ensureFolders([local]);
  const files: WireDataFile[] = [];
  for (const { path, shown, sha256 } of looked) {
    const described = await describeFile({ path, shown }, table, names);
    const name = `${sha256}-${random.uuid().slice(0, 8)}.parquet`;
    const [from, to] = [realpathSync(path), join(local, name)];
    if (link) await placeFile(io, { from, to, copy: false, random });
    else await copyFile(io, from, to, random);
    files.push(toWire({ ...described, path: `${folder}/${name}` }));
  }
  await io.durable.syncFolders([local]);
  return files;
}

/** The hash that a file's name begins with; the whole name of one that has none. */
function contentOf(path: string): string {
  const name = basename(path);
  return /^([0-9a-f]{64})-[0-9a-f]{8}\.parquet$/.exec(name)?.[1] ?? name;
}

async function hashOf(path: string): Promise<string> {
  const hasher = new Bun.CryptoHasher("sha256");
  for await (const chunk of createReadStream(path)) hasher.update(chunk);
  return hasher.digest("hex");
}

function toWire(file: DataFile): WireDataFile {
  return {
    path: file.path,
    specId: file.specId,
    rows: file.recordCount.toString(),
    sizeBytes: file.sizeBytes.toString(),
    splitOffsets: file.splitOffsets?.map(String) ?? null,
    partition: file.partition.map((value): Json => {
      if (typeof value === "bigint") return { long: value.toString() };
      return value instanceof Uint8Array ? { bytes: value.toHex() } : value;
    }),
    metrics: [...file.metrics].map(([id, metrics]) => {
      const texts = Object.entries(metrics).map(([key, value]) => {
        return [key, value instanceof Uint8Array ? value.toHex() : String(value)] as const;
      });
      return [id, Object.fromEntries(texts)] as const;
    }),
  };
}

function fromWire(wire: WireDataFile): DataFile {
  return {
    content: "data",
    path: wire.path,
    format: "PARQUET",
    specId: wire.specId,
    partition: wire.partition.map((value): PartitionValue => {
      if (typeof value !== "object" || value === null) return value;
      const { long, bytes } = value as { long?: string; bytes?: string }; // parse: as toWire writes it
      return long === undefined ? Uint8Array.fromHex(bytes ?? "") : BigInt(long);
    }),
    recordCount: BigInt(wire.rows),
    sizeBytes: BigInt(wire.sizeBytes),
    metrics: new Map(
      wire.metrics.map(([id, { lower, upper, ...counts }]): [number, ColumnMetrics] => {
        const numbers = Object.entries(counts).map(([key, value]) => [key, BigInt(value)] as const);
        return [
          id,
          {
            ...Object.fromEntries(numbers),
            ...(lower === undefined ? {} : { lower: Uint8Array.fromHex(lower) }),
            ...(upper === undefined ? {} : { upper: Uint8Array.fromHex(upper) }),
          },
        ];
      }),
    ),
    splitOffsets: wire.splitOffsets?.map(BigInt) ?? null,
    sortOrderId: null,
    equalityIds: null,
    referencedDataFile: null,
    dataSequenceNumber: null,
    fileSequenceNumber: null,
    snapshotId: null,
  };
}
