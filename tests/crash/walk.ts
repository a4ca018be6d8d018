/** Walks a lake from its catalog down to the last data file, with none of the engine's own code. */

import { Database } from "bun:sqlite";
import { existsSync, lstatSync, readdirSync, readFileSync, statSync } from "node:fs";
import { basename, join } from "node:path";
import { fileURLToPath } from "node:url";
import avro from "avsc";
import type { Naming } from "./order.ts";

export interface WalkedTable {
  readonly name: string;
  readonly metadata: string;
  readonly namings: readonly Naming[];
  /** Every file that the current metadata reaches, the metadata itself included. */
  readonly live: ReadonlySet<string>;
  /** Older metadata files that the current one still lists. */
  readonly log: readonly string[];
}

export interface WalkOptions {
  /** Walk older metadata files as well, for `namings`. */
  readonly older: boolean;
  /** Records of Avro files by their bytes, kept from walk to walk. */
  readonly known?: Map<string, Record<string, unknown>[]>;
}

export interface Walked {
  readonly tables: readonly WalkedTable[];
  readonly live: ReadonlySet<string>;
  /** Files under the tables' folders that no current metadata reaches. */
  readonly unreached: readonly string[];
  readonly problems: readonly string[];
}

const MANIFEST_ENTRY_DELETED = 2;

/** Reads every table of the catalog in `warehouse`; missing, cut and unreadable files become problems. */
export async function walkLake(
  warehouse: string,
  options: WalkOptions = { older: true },
): Promise<Walked> {
  const problems: string[] = [];
  const tables: WalkedTable[] = [];
  for (const { name, location } of tablesOf(warehouse, problems)) {
    tables.push(await walkTable(name, location, problems, options));
  }
  const live = new Set(tables.flatMap((table) => [...table.live]));
  const unreached = filesBelow(warehouse).filter((file) => isTableFile(file) && !live.has(file));
  return { tables, live, unreached, problems };
}

/** The kept originals: what the ledger says of a drop names its copy. */
export function originalNamings(warehouse: string): Naming[] {
  using catalog = new Database(join(warehouse, "catalog.db"), { readonly: true });
  const sql = "select sha256, original from lake_files where original is not null";
  // parse: both columns are in the statement
  const rows = catalog.query(sql).all() as { sha256: string; original: string }[];
  return rows.map(({ sha256, original }) => ({ key: sha256, files: [join(warehouse, original)] }));
}

/** The committed batch that a source's stored offset should name, and the one it names. */
export function offsets(warehouse: string): { source: string; stored: string; newest: string }[] {
  using catalog = new Database(join(warehouse, "catalog.db"), { readonly: true });
  const sql = `select b.source, max(b.batch) as newest, f.value as stored from lake_batches b
    left join lake_facts f on f.kind = 'offset' and f.name = 'files:' || b.source
    where b.commit_number is not null group by b.source`;
  // parse: the three columns of the statement
  return catalog.query(sql).all() as { source: string; stored: string; newest: string }[];
}

/** Files below a folder, staging and all. */
export function filesBelow(folder: string): string[] {
  if (!existsSync(folder)) return [];
  return readdirSync(folder, { recursive: true })
    .map((name) => join(folder, String(name)))
    .filter((path) => lstatSync(path, { throwIfNoEntry: false })?.isFile() ?? false);
}

/** Absolute path of `file:///x`, `file:/x` or `/x`; locations are stored literally, never percent-encoded. */
export function localPath(location: string): string {
  if (location.startsWith("file:///")) return location.slice("file://".length);
  if (location.startsWith("file:/")) return location.slice("file:".length);
  return location.startsWith("file:") ? fileURLToPath(location) : location;
}

function isTableFile(path: string): boolean {
  return /\/(data|metadata)\//.test(path) && !path.includes("/.staging/");
}

interface CatalogRow {
  readonly table_namespace: string;
  readonly table_name: string;
  readonly metadata_location: string | null;
}

function tablesOf(warehouse: string, problems: string[]): { name: string; location: string }[] {
  const path = join(warehouse, "catalog.db");
  if (!existsSync(path)) {
    problems.push(`${path} is missing`);
    return [];
  }
  using catalog = new Database(path, { readonly: true });
  const check = catalog.query("pragma integrity_check").all();
  if (JSON.stringify(check) !== '[{"integrity_check":"ok"}]') {
    problems.push(`${path} fails its integrity check: ${JSON.stringify(check)}`);
  }
  const sql =
    "select table_namespace, table_name, metadata_location from iceberg_tables order by 1, 2";
  // parse: the three columns of the statement, with the types of the catalog's schema
  const rows = catalog.query(sql).all() as CatalogRow[];
  return rows.flatMap((row) => {
    const name = `${row.table_namespace}.${row.table_name}`;
    if (row.metadata_location !== null)
      return [{ name, location: localPath(row.metadata_location) }];
    problems.push(`${name} has no metadata`);
    return [];
  });
}

async function walkTable(
  name: string,
  metadata: string,
  problems: string[],
  { older: isDeep, known }: WalkOptions,
): Promise<WalkedTable> {
  const reached = await reach(metadata, problems, known);
  const live = new Set(reached.files);
  // Older metadata names what commits before this one named; retention may have unlinked what they reach.
  const namings: Naming[] = [{ key: basename(metadata), files: reached.files }];
  for (const older of isDeep ? reached.log.filter((path) => existsSync(path)) : []) {
    const before = await reach(older, [], known);
    namings.push({ key: basename(older), files: before.files.filter((path) => existsSync(path)) });
  }
  return { name, metadata, namings, live, log: reached.log };
}

interface Snapshot {
  readonly "manifest-list": string;
}

interface Metadata {
  readonly snapshots?: readonly Snapshot[];
  readonly "metadata-log"?: readonly { readonly "metadata-file": string }[];
}

/** Everything that one metadata file names, itself included. */
async function reach(
  metadata: string,
  problems: string[],
  known: WalkOptions["known"],
): Promise<{ files: string[]; log: string[] }> {
  if (!isWhole(metadata, null, problems)) return { files: [], log: [] };
  // parse: the Iceberg spec's table metadata; 64-bit ids are rounded here and not used
  const parsed = JSON.parse(readFileSync(metadata, "utf8")) as Metadata;
  const files = new Set([metadata]);
  for (const snapshot of parsed.snapshots ?? []) {
    const list = localPath(snapshot["manifest-list"]);
    files.add(list);
    if (!isWhole(list, null, problems)) continue;
    for (const entry of await readOnce(list, known)) {
      const manifest = localPath(String(entry.manifest_path));
      if (files.has(manifest)) continue;
      files.add(manifest);
      if (!isWhole(manifest, Number(entry.manifest_length), problems)) continue;
      await reachData(manifest, files, problems, known);
    }
  }
  const log = (parsed["metadata-log"] ?? []).map((entry) => localPath(entry["metadata-file"]));
  return { files: [...files], log };
}

async function reachData(
  manifest: string,
  files: Set<string>,
  problems: string[],
  known: WalkOptions["known"],
) {
  for (const entry of await readOnce(manifest, known)) {
    if (entry.status === MANIFEST_ENTRY_DELETED) continue;
    // parse: the spec's manifest entry, field 2
    const file = entry.data_file as Record<string, unknown>;
    const path = localPath(String(file.file_path));
    files.add(path);
    isWhole(path, Number(file.file_size_in_bytes), problems);
  }
}

function isWhole(path: string, sizeBytes: number | null, problems: string[]): boolean {
  const stat = statSync(path, { throwIfNoEntry: false });
  if (stat === undefined) problems.push(`${path} is named and missing`);
  else if (sizeBytes !== null && stat.size !== sizeBytes) {
    problems.push(`${path} has ${stat.size} bytes, its manifest says ${sizeBytes}`);
  } else return true;
  return false;
}

/** Longs as bigint: snapshot ids do not fit a double. */
const LONG = avro.types.LongType.__with({
  fromBuffer: (buffer: Buffer) => buffer.readBigInt64LE(),
  toBuffer: (value: bigint) => {
    const buffer = Buffer.alloc(8);
    buffer.writeBigInt64LE(value);
    return buffer;
  },
  fromJSON: BigInt,
  toJSON: Number,
  isValid: (value: unknown) => typeof value === "bigint",
  compare: (a: bigint, b: bigint) => (a === b ? 0 : a < b ? -1 : 1),
});

async function readOnce(
  path: string,
  known: WalkOptions["known"],
): Promise<Record<string, unknown>[]> {
  if (known === undefined) return await readAvro(path);
  const hash = new Bun.CryptoHasher("sha256").update(readFileSync(path)).digest("hex");
  const records = known.get(hash) ?? (await readAvro(path));
  known.set(hash, records);
  return records;
}

function readAvro(path: string): Promise<Record<string, unknown>[]> {
  return new Promise((resolve, reject) => {
    const records: Record<string, unknown>[] = [];
    const parseHook = (schema: avro.Schema) =>
      avro.Type.forSchema(schema, { registry: { long: LONG }, wrapUnions: false });
    avro
      .createFileDecoder(path, { parseHook })
      .on("data", (record: Record<string, unknown>) => records.push({ ...record }))
      .on("error", reject)
      .on("end", () => resolve(records));
  });
}
