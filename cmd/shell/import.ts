/**
 * Databases of others as tables of one's own: every table is read in this process, and all of them are one transaction
 * of statements, as if they had been typed.
 */

import {
  closeSync,
  createReadStream,
  mkdtempSync,
  openSync,
  readdirSync,
  readSync,
  rmSync,
  statSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { basename, join, resolve } from "node:path";
import { ioError, LakeError } from "../../core/base/errors.ts";
import { parseSize } from "../../core/base/quantity.ts";
import { suggestion } from "../../core/base/suggest.ts";
import type { Table } from "../../core/table/types.ts";
import { openDuckDB } from "../../sql/duckdb/duckdb.ts";
import { QuerySession } from "../../sql/query/query.ts";
import { quoteIdentifier, quoteLiteral } from "../../sql/syntax/quote.ts";
import type { OpenFlags } from "../open.ts";
import { usualOptions } from "./engine.ts";
import type { Ask, Foreign, ForeignTable, Prepared } from "./foreign.ts";
import { LazyLake, lazyLookup } from "./lake.ts";
import { shellWriter } from "./writer.ts";

/** A table of what is imported. */
export interface ImportedTable {
  /** As it is called there: `main.orders`. */
  readonly from: string;
  /** Of the lake. */
  readonly into: string;
  readonly outcome: "made" | "replaced" | "appended" | "unchanged";
  readonly rows: bigint;
  /** Where a type is not the source's own: which, and why. */
  readonly notes: readonly string[];
}

export interface Imported {
  readonly kind: Foreign["kind"];
  readonly tables: readonly ImportedTable[];
  /** What there is besides tables, and is not imported. */
  readonly left: readonly string[];
}

export interface ImportRequest {
  /** A file or a folder, as it was written. */
  readonly path: string;
  /** Names of its tables; all when empty. */
  readonly tables: readonly string[];
  readonly layer: string;
  /** What the table is called: of one. */
  readonly as: string | null;
  /** What is done about a table that is there. */
  readonly mode: "refuse" | "replace" | "append";
}

/** Properties of a table that was imported: from where at last, and fingerprints of all that it was made of. */
const FILE = "tarn.import.file";
const TABLE = "tarn.import.table";
const CONTENT = "tarn.import.content";
/** The sequence number that the import gave the table. */
const VERSION = "tarn.import.version";

/** All or nothing. Throws `usage`, `input` for a file that is no database, `conflict` for tables that are there. */
export async function importOf(
  flags: OpenFlags,
  request: ImportRequest,
  signal: AbortSignal,
): Promise<Imported> {
  const path = resolve(request.path);
  const kind = kindOf(path, request.path);
  const tempFolder = mkdtempSync(join(tmpdir(), "lake-import-"));
  await using lake = new LazyLake(flags);
  using writer = shellWriter(lake, flags, signal);
  const spill = join(tempFolder, "spill");
  const db = await openDuckDB({ ...usualOptions(), ...boundsOf(flags), tempFolder: spill });
  const query = new QuerySession({
    open: async () => db,
    lookup: lazyLookup(lake),
    timezone: "UTC",
    writablePath: (one) => one,
    writer,
  });
  try {
    // Before it is read: what comes to it between the two is then new to the next import, never lost to it.
    const content = await fingerprint(path);
    const foreign = await openForeign(kind, path, db.rows.bind(db), tempFolder);
    const planned = plan(foreign, request);
    const session = await lake.needMade();
    const found: ImportedTable[] = [];
    const statements: (() => Promise<ImportedTable>)[] = [];
    for (const { table, into } of planned) {
      const there = await session.catalog.load(into);
      const done = { from: table.name, into, notes: [] };
      const part = partOf(table.name, content);
      const parts = there === null ? [] : partsIn(there);
      if (there !== null && isDone(there, part, request.mode)) {
        const notes = isUntouched(there) ? [] : [TOUCHED];
        found.push({ ...done, outcome: "unchanged", rows: 0n, notes });
        continue;
      }
      if (there !== null && request.mode === "refuse") throw isThere(into, there, request.path);
      const version = `${(there?.lastSequenceNumber ?? 0n) + 1n}`;
      const append = there !== null && request.mode === "append";
      const properties = {
        [FILE]: path,
        [TABLE]: table.name,
        [CONTENT]: [...(append ? parts : []), part].join(","),
        [VERSION]: version,
      };
      statements.push(async () => {
        const prepared = await table.prepare(db.rows.bind(db));
        const rows = await write(query, { into, prepared, properties, append });
        const outcome = there === null ? "made" : append ? "appended" : "replaced";
        return { ...done, outcome, rows, notes: prepared.notes };
      });
    }
    if (statements.length > 0) {
      await drain(query, "BEGIN");
      for (const one of statements) {
        if (signal.aborted)
          throw new LakeError("usage", "the import was stopped", { hint: "nothing was done" });
        found.push(await one());
      }
      await drain(query, "COMMIT");
    }
    return { kind, tables: found, left: foreign.left };
  } finally {
    await query.close();
    rmSync(tempFolder, { recursive: true, force: true });
  }
}

async function write(
  query: QuerySession,
  {
    into,
    prepared,
    properties,
    append,
  }: {
    readonly into: string;
    readonly prepared: Prepared;
    readonly properties: Readonly<Record<string, string>>;
    readonly append: boolean;
  },
): Promise<bigint> {
  const name = into
    .split(".")
    .map((part) => quoteIdentifier(part))
    .join(".");
  const said = Object.entries(properties)
    .map(([key, value]) => `${quoteLiteral(key)} = ${quoteLiteral(value)}`)
    .join(", ");
  if (append) {
    const rows = await drain(query, `INSERT INTO ${name} BY NAME ${prepared.sql}`);
    await drain(query, `ALTER TABLE ${name} SET (${said})`);
    return rows;
  }
  const by = prepared.partitionedBy.map((column) => quoteIdentifier(column)).join(", ");
  const layout = by === "" ? "" : `PARTITIONED BY (${by}) `;
  const sql = `CREATE OR REPLACE TABLE ${name} ${layout}WITH (${said}) AS ${prepared.sql}`;
  return await drain(query, sql);
}

/** As flags say. Throws `usage`. */
function boundsOf({ args }: OpenFlags): { threads?: number; memoryBytes?: number } {
  const { threads, memory } = args;
  const memoryBytes = memory === undefined ? null : parseSize(memory);
  if (memory !== undefined && memoryBytes === null) {
    throw new LakeError("usage", `--memory ${memory} is not a size`, { hint: "write 2GiB" });
  }
  return {
    ...(threads === undefined ? {} : { threads: Math.max(1, Number(threads) || 1) }),
    ...(memoryBytes === null ? {} : { memoryBytes }),
  };
}

/** Runs a statement; rows that it changed. */
async function drain(query: QuerySession, sql: string): Promise<bigint> {
  let rows = 0n;
  for await (const { result, rowsChanged } of query.run(sql)) {
    if (result !== null) for await (const chunk of result.chunks()) void chunk;
    rows += BigInt(rowsChanged ?? 0);
  }
  return rows;
}

async function openForeign(
  kind: Foreign["kind"],
  path: string,
  ask: Ask,
  tempFolder: string,
): Promise<Foreign> {
  switch (kind) {
    case "duckdb":
      return await (await import("./import-duckdb.ts")).openDuckDBFile(path, ask);
    case "sqlite":
      return await (await import("./import-sqlite.ts")).openSqliteFile(path, tempFolder);
    case "parquet":
      return await (await import("./import-folder.ts")).openFolder(path);
  }
}

/** By its first bytes: an ending says nothing. */
function kindOf(path: string, written: string): Foreign["kind"] {
  const head = Buffer.alloc(HEAD_BYTES);
  try {
    if (statSync(path).isDirectory()) return "parquet";
    const descriptor = openSync(path, "r");
    readSync(descriptor, head, 0, HEAD_BYTES, 0);
    closeSync(descriptor);
  } catch (thrown) {
    throw ioError(thrown, "read", written);
  }
  if (head.subarray(0, 15).toString("latin1") === "SQLite format 3") return "sqlite";
  if (head.subarray(8, 12).toString("latin1") === "DUCK") return "duckdb";
  throw new LakeError("input", `${written} is no DuckDB and no SQLite database`, {
    hint: `import takes these, and folders of Parquet files; files of rows land: tarn load ${written}`,
  });
}

const HEAD_BYTES = 16;

interface Planned {
  readonly table: ForeignTable;
  readonly into: string;
}

function plan(foreign: Foreign, { tables, layer, as, path }: ImportRequest): readonly Planned[] {
  const names = foreign.tables.map(({ name }) => name);
  const chosen =
    tables.length === 0
      ? foreign.tables
      : tables.map((asked) => {
          const found = foreign.tables.find(({ name, plain }) => name === asked || plain === asked);
          if (found !== undefined) return found;
          throw new LakeError("not-found", `${path} has no table ${asked}`, {
            hint: suggestion(asked, names, "tables"),
          });
        });
  if (chosen.length === 0) {
    throw new LakeError("input", `${path} has no tables`, { hint: "there is nothing to import" });
  }
  if (as !== null && chosen.length > 1) {
    throw new LakeError("usage", `--as names one table, and ${path} has ${chosen.length}`, {
      hint: `name the one: tarn import ${path} ${chosen[0]?.plain ?? ""} --as ${as}`,
    });
  }
  const planned = chosen.map((table) => ({
    table,
    into: `${layer}.${as ?? nameFor(table.plain)}`,
  }));
  const twice = planned.find((one, at) => planned.findIndex(({ into }) => into === one.into) < at);
  if (twice === undefined) return planned;
  throw new LakeError("usage", `two tables would be called ${twice.into}`, {
    hint: `import them one by one: tarn import ${path} ${twice.table.name} --as NAME`,
  });
}

/** A name of the lake: lower case, letters, digits and _. */
function nameFor(plain: string): string {
  const name = plain.toLowerCase().replace(/[^\p{L}\p{N}_]+/gu, "_");
  return /^[\p{L}_]/u.test(name) ? name : `t_${name}`;
}

/** Of a database the bytes of its file and of its log; of a folder names, sizes and times. */
async function fingerprint(path: string): Promise<string> {
  const hasher = new Bun.CryptoHasher("sha256");
  if (statSync(path).isDirectory()) {
    for (const name of readdirSync(path, { recursive: true, encoding: "utf8" }).sort()) {
      const { size, mtimeMs } = statSync(join(path, name));
      hasher.update(`${name}\n${size}\n${mtimeMs}\n`);
    }
    return hasher.digest("hex");
  }
  for (const one of [path, `${path}-wal`, `${path}.wal`]) {
    if (statSync(one, { throwIfNoEntry: false }) === undefined) continue;
    for await (const chunk of createReadStream(one)) hasher.update(chunk);
  }
  return hasher.digest("hex");
}

/** A table of a source as it is: what comes into a table once. */
function partOf(table: string, content: string): string {
  const hash = new Bun.CryptoHasher("sha256").update(`${table}\n${content}`).digest("hex");
  return hash.slice(0, PART_LENGTH);
}

/** One for each append, so they are no longer than they must be. */
const PART_LENGTH = 24;

function partsIn({ properties }: Table): readonly string[] {
  const text = properties[CONTENT] ?? "";
  return text === "" ? [] : text.split(",");
}

/** Replacing also takes back what was done to the table since, and what other sources brought. */
function isDone(there: Table, part: string, mode: ImportRequest["mode"]): boolean {
  const parts = partsIn(there);
  if (mode !== "replace") return parts.includes(part);
  return parts.length === 1 && parts[0] === part && isUntouched(there);
}

const TOUCHED = "it was changed or restored since; its rows again: --replace";

/** Nothing came since but compactions. */
function isUntouched({ current, snapshots, properties }: Table): boolean {
  let at = current;
  while (at?.operation === "replace") {
    const { parentId } = at;
    at = snapshots.find(({ snapshotId }) => snapshotId === parentId) ?? null;
  }
  return at === null || `${at.sequenceNumber}` === properties[VERSION];
}

function isThere(into: string, { properties }: Table, path: string): LakeError {
  const file = properties[FILE];
  const was =
    file === undefined
      ? "it was not imported"
      : `imported from ${basename(file)}, which was another then`;
  return new LakeError("conflict", `${into} is there already: ${was}`, {
    hint:
      `its rows by those of now, its past stays: tarn import ${path} --replace\n` +
      `all rows once more, on top of what is there: tarn import ${path} --append\n` +
      "another table: --as NAME, or --into LAYER",
  });
}
