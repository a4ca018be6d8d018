/**
 * What must hold of a lake however it got there: the invariants of robustness.md 4.4, looked at from outside the
 * process that wrote it, with other readers (a walk by avsc, rows by hyparquet, queries by a DuckDB of its own).
 */

import { existsSync, readFileSync } from "node:fs";
import { must } from "../../core/base/assert.ts";
import { stringifyJson } from "../../core/base/json.ts";
import { compareCodePoints } from "../../core/base/order.ts";
import type { LedgerFile } from "../../core/ingest/ledger.ts";
import { cursorFromText } from "../../core/model/cursor.ts";
import { readVector } from "../../core/table/deletion-vector.ts";
import { isVector } from "../../core/table/live.ts";
import { rowsOf } from "../../core/table/row-set.ts";
import { LINEAGE_FIELDS } from "../../core/table/system-columns.ts";
import type { DataFile, Table, TableName } from "../../core/table/types.ts";
import { deletePaths } from "../../sql/bind/scan.ts";
import { LakeCatalog } from "../../storage/catalog/sqlite.ts";
import { LocalFiles } from "../../storage/disk/local.ts";
import { filesBelow, walkLake } from "../crash/walk.ts";
import type { SimDisk } from "./disk.ts";
import type { ModelCheck, TableFiles } from "./model-check.ts";
import { type FileRow, RowReader, sha256 } from "./row-reader.ts";
import { type Expect, type LakeView, type Scenario, START_MS } from "./scenario.ts";
import { SimClock, SimRandom } from "./world.ts";

/** Digest of the rows of each table. */
export type Digests = ReadonlyMap<TableName, string>;

/** A commit as it was when its caller was told. */
export interface Remembered {
  readonly number: bigint;
  readonly timeMs: number;
  readonly digests: Digests;
}

/** Columns that two runs of the same story need not share. */
const OWN_TO_A_RUN = new Set([
  "_batch",
  "_ingested_at",
  // A statement that is given again is one commit more.
  ...LINEAGE_FIELDS.map(({ name }) => name),
]);
/** The same of files; one that is read again by a command that is given again is there once more. */
const UNTOLD = {
  batch: null,
  landsAs: null,
  modifiedMs: null,
  changedNs: null,
  contractVersion: null,
};
const ROW_ID = "_row_id";
const FACTS = ["offset", "cursor", "watermark", "key", "model", "setting"] as const;

export class Oracle {
  readonly #root: string;
  readonly #models: ModelCheck;
  readonly #scenario: Scenario;
  readonly #rows = new RowReader();
  /** Avro files as they were read once. */
  readonly #known = new Map<string, Record<string, unknown>[]>();

  constructor(root: string, models: ModelCheck, scenario: Scenario) {
    this.#root = root;
    this.#scenario = scenario;
    this.#models = models;
  }

  /** Digests of all tables as they are now. */
  digests(): Promise<Digests> {
    return this.#looking(async (catalog) => {
      const ids = new Map<Table, bigint | undefined>();
      for (const table of await tablesOf(catalog)) ids.set(table, table.current?.snapshotId);
      return await this.#digestsOf(catalog, ids);
    });
  }

  /** I9: what does not look, as of its time, as it did when it was acknowledged. */
  changedSince(commits: readonly Remembered[]): Promise<string[]> {
    return this.#looking(async (catalog) => {
      const changed: string[] = [];
      const tables = await tablesOf(catalog);
      for (const { number, timeMs, digests } of commits) {
        const ids = new Map<Table, bigint | undefined>();
        for (const table of tables.filter((one) => digests.has(one.name))) {
          const at = await catalog.snapshotAt(table, { kind: "time", timeMs, nearest: false });
          ids.set(table, at?.snapshotId);
        }
        const now = await this.#digestsOf(catalog, ids);
        for (const [name, digest] of digests) {
          if (now.get(name) !== digest) changed.push(`${name} as of commit ${number} has changed`);
        }
      }
      return changed;
    });
  }

  /** What the lake comes to, in a form that equal stories share whatever befell them. */
  outcome(): Promise<string> {
    return this.#looking(async (catalog) => {
      const lines: string[] = [];
      for (const table of await tablesOf(catalog)) {
        const rows = await this.#rowsAt(catalog, table, table.current?.snapshotId ?? null);
        // The id of a row that was set aside is made of its batch.
        const own = table.name.startsWith("bronze_quarantine.")
          ? [...OWN_TO_A_RUN, "id"]
          : [...OWN_TO_A_RUN];
        const shared = rows.map((row) =>
          JSON.stringify(Object.entries(row).filter(([column]) => !own.includes(column))),
        );
        const columns = table.schema.fields.map(
          ({ name, type }) => `${name} ${stringifyJson(JSON.parse(JSON.stringify(type)))}`,
        );
        lines.push(`${table.name} (${columns.join(", ")})`, ...shared.sort(compareCodePoints));
      }
      const told = (await this.#ledgerFiles(catalog)).map((file) =>
        JSON.stringify({ ...file, ...UNTOLD }),
      );
      lines.push(...[...new Set(told)].sort(compareCodePoints));
      for (const kind of FACTS) {
        for (const [name, value] of await catalog.facts(kind)) {
          lines.push(`${kind} ${name} ${kind === "cursor" ? cursorFromText(value)?.hash : ""}`);
        }
      }
      return lines.join("\n");
    });
  }

  /**
   * What is wrong; empty when nothing is. `complete` says that all drops must be in and all models up to date;
   * otherwise the lake may stand anywhere in the story, but nowhere between two of its commits.
   */
  async problems(disk: SimDisk, complete: boolean): Promise<string[]> {
    const problems: string[] = [];
    const expect: Expect = (what, holds) => {
      if (!holds) problems.push(what);
    };
    if (!(await this.#hasLake())) return complete ? ["there is no lake"] : [];
    const walked = await walkLake(this.#root, { older: false, known: this.#known });
    // What is missing cannot be looked into.
    if (walked.problems.length > 0) return [...walked.problems];
    for (const path of walked.live) {
      expect(`${path} would not outlive a crash`, disk.isDurable(path));
    }
    await this.#looking(async (catalog) => {
      await checkHistory(catalog, expect);
      await this.#scenario.check(this.#viewOf(catalog), complete, expect);
      for (const { original } of await this.#namingFiles(catalog)) {
        const path = `${this.#root}/${original}`;
        expect(`${path} would not outlive a crash`, original === null || disk.isDurable(path));
      }
    });
    return problems;
  }

  /** Files that nothing names and nothing will take away, once retention has passed. */
  async litter(): Promise<string[]> {
    const walked = await walkLake(this.#root, { older: false, known: this.#known });
    const named = new Set([...walked.live, ...walked.tables.flatMap((table) => table.log)]);
    await this.#looking(async (catalog) => {
      for (const { original } of await this.#namingFiles(catalog)) {
        if (original !== null) named.add(`${this.#root}/${original}`);
      }
    });
    const isCatalog = (path: string): boolean => path.startsWith(`${this.#root}/catalog.db`);
    return filesBelow(this.#root).filter((path) => !named.has(path) && !isCatalog(path));
  }

  async #digestsOf(
    catalog: LakeCatalog,
    ids: ReadonlyMap<Table, bigint | undefined>,
  ): Promise<Digests> {
    const digests = new Map<TableName, string>();
    for (const [table, id] of ids) {
      const rows = await this.#rowsAt(catalog, table, id ?? null);
      digests.set(
        table.name,
        sha256(
          rows
            .map((row) => JSON.stringify(row))
            .sort()
            .join("\n"),
        ),
      );
    }
    return digests;
  }

  async #hasLake(): Promise<boolean> {
    if (!existsSync(`${this.#root}/catalog.db`)) return false;
    return this.#looking(async () => true).catch((thrown: unknown) => {
      // The power went before the first transaction made the schema.
      if (thrown instanceof Error && thrown.message.startsWith("there is no lake")) return false;
      throw thrown;
    });
  }

  async #looking<T>(look: (catalog: LakeCatalog) => Promise<T>): Promise<T> {
    const random = new SimRandom(0);
    const io = await LocalFiles.open({ root: this.#root, random, readonly: true });
    const clock = new SimClock(START_MS);
    const catalog = await LakeCatalog.open({ io, clock, random, readonly: true });
    try {
      return await look(catalog);
    } finally {
      await catalog.close();
    }
  }

  #viewOf(catalog: LakeCatalog): LakeView {
    return {
      catalog,
      models: this.#models,
      rowsAt: (table, id) => this.#rowsAt(catalog, table, id),
      rowIdsAt: async (table, id) =>
        (await this.#placedAt(catalog, table, id)).map(({ rowId }) => rowId),
      filesAt: (table, id) => filesAt(catalog, table, id),
    };
  }

  /** Files that name their originals: all but those that were forgotten. */
  async #namingFiles(catalog: LakeCatalog): Promise<LedgerFile[]> {
    const gone = (await catalog.ledger.gone()).filter(({ how }) => how === "forgotten");
    const forgotten = new Set(gone.map(({ batch, file }) => `${batch} ${file}`));
    const files = await this.#ledgerFiles(catalog);
    return files.filter(({ landsAs, file }) => !forgotten.has(`${landsAs} ${file}`));
  }

  async #ledgerFiles(catalog: LakeCatalog): Promise<LedgerFile[]> {
    const files: LedgerFile[] = [];
    for (const source of this.#scenario.sources) {
      files.push(...(await catalog.ledger.files({ source })));
    }
    return files;
  }

  async #rowsAt(catalog: LakeCatalog, table: Table, id: bigint | null): Promise<FileRow[]> {
    return (await this.#placedAt(catalog, table, id)).map(({ row }) => row);
  }

  async #placedAt(
    catalog: LakeCatalog,
    table: Table,
    id: bigint | null,
  ): Promise<{ readonly row: FileRow; readonly rowId: bigint | null }[]> {
    const { files, deletes } = await scanAt(catalog, table, id);
    const dead = new Set<string>();
    for (const { file, localPath } of deletes) {
      if (isVector(file)) {
        for (const pos of deadIn(file, localPath)) dead.add(`${file.referencedDataFile} ${pos}`);
        continue;
      }
      for (const row of await this.#rows.rows(localPath)) dead.add(`${row.file_path} ${row.pos}`);
    }
    const placed: { row: FileRow; rowId: bigint | null }[] = [];
    for (const { localPath, file } of files) {
      const { firstRowId = null } = file;
      for (const [pos, row] of (await this.#rows.rows(localPath)).entries()) {
        if (dead.has(`${file.path} ${pos}`)) continue;
        const counted = firstRowId === null ? null : firstRowId + BigInt(pos);
        const stored = row[ROW_ID] ?? null;
        placed.push({ row, rowId: stored === null ? counted : BigInt(String(stored)) });
      }
    }
    return placed;
  }
}

/** The rows that a vector takes out. */
function deadIn(vector: DataFile, localPath: string): Iterable<number> {
  const { offset, sizeBytes } = must(vector.blob, "a vector has a place in its file");
  const blob = readFileSync(localPath).subarray(Number(offset), Number(offset + sizeBytes));
  return rowsOf(readVector(blob, vector, (bytes) => Bun.hash.crc32(bytes)));
}

async function tablesOf(catalog: LakeCatalog): Promise<Table[]> {
  const tables: Table[] = [];
  for (const { name } of await catalog.tables()) {
    tables.push(must(await catalog.load(name), `${name} was just listed`));
  }
  return tables;
}

async function scanAt(catalog: LakeCatalog, table: Table, id: bigint | null) {
  const snapshot = table.snapshots.find((one) => one.snapshotId === id) ?? null;
  const scan = await catalog.scan(table, snapshot);
  const paths = deletePaths(scan);
  const deletes = scan.deletes.map((file, at) => ({ file, localPath: paths[at] ?? "" }));
  return { files: scan.files, deletes };
}

async function filesAt(catalog: LakeCatalog, table: Table, id: bigint | null): Promise<TableFiles> {
  const { files, deletes } = await scanAt(catalog, table, id);
  const data = files.map(({ localPath, file }) => ({ localPath, path: file.path }));
  return { data, deletes: deletes.map(({ localPath }) => localPath) };
}

/** I6: commits are numbered without a gap, later ones later, and snapshots follow their parents. */
async function checkHistory(catalog: LakeCatalog, expect: Expect): Promise<void> {
  const commits = [...(await catalog.commits({ limit: 1_000 }))].reverse();
  for (const [index, commit] of commits.entries()) {
    expect(`commit ${commit.number} is number ${index + 1}`, commit.number === BigInt(index + 1));
    const before = commits[index - 1];
    expect("commits at one time", before === undefined || before.timeMs < commit.timeMs);
  }
  for (const table of await tablesOf(catalog)) {
    for (const [index, snapshot] of table.snapshots.entries()) {
      const before = table.snapshots[index - 1] ?? null;
      const follows = before === null || snapshot.sequenceNumber > before.sequenceNumber;
      const isChild = before === null || snapshot.parentId === before.snapshotId;
      expect(`${table.name}: a break in its history`, follows && isChild);
    }
  }
}
