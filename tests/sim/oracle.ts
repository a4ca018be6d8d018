/**
 * What must hold of a lake however it got there: the invariants of robustness.md 4.4, looked at from outside the
 * process that wrote it, with other readers (a walk by avsc, rows by hyparquet, queries by a DuckDB of its own).
 */

import { existsSync } from "node:fs";
import { must } from "../../core/base/assert.ts";
import { stringifyJson } from "../../core/base/json.ts";
import { compareCodePoints } from "../../core/base/order.ts";
import { cursorFromText } from "../../core/model/cursor.ts";
import type { Table, TableName } from "../../core/table/types.ts";
import { LakeCatalog } from "../../storage/catalog/sqlite.ts";
import { LocalFiles } from "../../storage/disk/local.ts";
import { filesBelow, walkLake } from "../crash/walk.ts";
import type { SimDisk } from "./disk.ts";
import type { ModelCheck } from "./model-check.ts";
import { type FileRow, RowReader, sha256 } from "./row-reader.ts";
import { BRONZE, droppedLines, MODEL_TABLES, SOURCE, START_MS } from "./scenario.ts";
import { SimClock, SimRandom } from "./world.ts";

/** Digest of the rows of each table. */
export type Digests = ReadonlyMap<TableName, string>;

/** A commit as it was when its caller was told. */
export interface Remembered {
  readonly number: bigint;
  readonly timeMs: number;
  readonly digests: Digests;
}

const QUARANTINE = "bronze_quarantine.orders";
/** Columns that two runs of the same story need not share. */
const OWN_TO_A_RUN = new Set(["_batch", "_ingested_at"]);
const FACTS = ["offset", "cursor", "watermark", "key", "model", "setting"] as const;

type Expect = (what: string, holds: boolean) => void;

export class Oracle {
  readonly #root: string;
  readonly #models: ModelCheck;
  readonly #rows = new RowReader();
  /** Avro files as they were read once. */
  readonly #known = new Map<string, Record<string, unknown>[]>();

  constructor(root: string, models: ModelCheck) {
    this.#root = root;
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
        const own = table.name === QUARANTINE ? [...OWN_TO_A_RUN, "id"] : [...OWN_TO_A_RUN];
        const shared = rows.map((row) =>
          JSON.stringify(Object.entries(row).filter(([column]) => !own.includes(column))),
        );
        const columns = table.schema.fields.map(
          ({ name, type }) => `${name} ${stringifyJson(JSON.parse(JSON.stringify(type)))}`,
        );
        lines.push(`${table.name} (${columns.join(", ")})`, ...shared.sort(compareCodePoints));
      }
      for (const file of await catalog.ledger.files({ source: SOURCE })) {
        const told = { ...file, batch: null, landsAs: null, modifiedMs: null, changedNs: null };
        lines.push(JSON.stringify(told));
      }
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
      await this.#checkRows(catalog, complete, expect);
      await checkHistory(catalog, expect);
      for (const name of MODEL_TABLES) await this.#checkModel(catalog, name, complete, expect);
      for (const { original } of await catalog.ledger.files({ source: SOURCE })) {
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
      for (const { original } of await catalog.ledger.files({ source: SOURCE })) {
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

  async #rowsAt(catalog: LakeCatalog, table: Table, id: bigint | null): Promise<FileRow[]> {
    const rows: FileRow[] = [];
    for (const path of await pathsAt(catalog, table, id))
      rows.push(...(await this.#rows.rows(path)));
    return rows;
  }

  /** I1-I5, I10: every dropped line once, batches whole at every snapshot, the ledger equal to what is there. */
  async #checkRows(catalog: LakeCatalog, complete: boolean, expect: Expect): Promise<void> {
    const { good, bad } = droppedLines();
    const batches = await catalog.ledger.batches({ source: SOURCE });
    const offset = await catalog.fact("offset", `files:${SOURCE}`);
    const newest =
      batches
        .map((one) => one.batch)
        .sort(compareCodePoints)
        .at(-1) ?? null;
    expect(`the offset is ${offset}, the newest batch ${newest}`, offset === newest);
    for (const one of batches) {
      const out = one.rowsLanded + one.rowsQuarantined + one.rowsDuplicate;
      expect(`batch ${one.batch}: ${one.rowsIn} in, ${out} out`, one.rowsIn === out);
    }
    for (const [name, sent, count, lineOf] of [
      [BRONZE, good, "rowsLanded", (row: FileRow) => Number(row.line)],
      [QUARANTINE, bad, "rowsQuarantined", (row: FileRow) => Number.parseInt(String(row.raw), 10)],
    ] as const) {
      const table = await catalog.load(name);
      if (table === null) {
        expect(`${name} is missing`, batches.length === 0);
        continue;
      }
      for (const snapshot of table.snapshots) {
        const rows = await this.#rowsAt(catalog, table, snapshot.snapshotId);
        const lines = rows.map(lineOf);
        expect(`${name}: a line twice`, new Set(lines).size === lines.length);
        expect(
          `${name}: a line nobody sent`,
          lines.every((line) => sent.includes(line)),
        );
        const isCurrent = snapshot.snapshotId === table.current?.snapshotId;
        if (isCurrent && complete) expect(`${name}: lines missing`, lines.length === sent.length);
        const seen = Map.groupBy(rows, (row) => String(row._batch));
        const known = new Set(batches.map((one) => one.batch));
        for (const batch of seen.keys())
          expect(`${name}: ${batch} is not in the ledger`, known.has(batch));
        for (const one of batches) {
          const there = seen.get(one.batch)?.length ?? 0;
          const isWhole = there === one[count] || (there === 0 && !isCurrent);
          expect(`${name}: ${there} of ${one[count]} rows of ${one.batch}`, isWhole);
        }
      }
    }
  }

  /** I4, I7: the rows are those of one statement over the inputs at the cursor, which names what is there. */
  async #checkModel(
    catalog: LakeCatalog,
    name: (typeof MODEL_TABLES)[number],
    complete: boolean,
    expect: Expect,
  ): Promise<void> {
    const table = await catalog.load(name);
    const cursor = cursorFromText(await catalog.fact("cursor", name));
    expect(
      `${name}: a table without a cursor, or the other way`,
      (table === null) === (cursor === null),
    );
    if (table === null || cursor === null) {
      expect(`${name} is missing`, !complete);
      return;
    }
    const inputs = new Map<TableName, readonly string[]>();
    for (const [input, at] of cursor.inputs) {
      const source = must(await catalog.load(input), `${input} is an input of ${name}`);
      const isThere = source.snapshots.some((one) => one.snapshotId === at.snapshotId);
      expect(`${name} has read a snapshot of ${input} that is not there`, isThere);
      if (complete) {
        expect(
          `${name} is behind ${input}`,
          at.snapshotId === (source.current?.snapshotId ?? null),
        );
      }
      if (isThere) inputs.set(input, await pathsAt(catalog, source, at.snapshotId));
    }
    const rows = await pathsAt(catalog, table, table.current?.snapshotId ?? null);
    const wrong = await this.#models.difference(name, cursor.hash, rows, inputs);
    expect(`${name}: ${wrong}`, wrong === null);
    if (!complete || name !== "gold.daily") return;
    const bronze = must(await catalog.load(BRONZE), "bronze is there");
    const all = await pathsAt(catalog, bronze, bronze.current?.snapshotId ?? null);
    const silver = cursorFromText(await catalog.fact("cursor", "silver.orders"));
    const whole = await this.#models.goldDifference(silver?.hash ?? "", rows, all);
    expect(`gold from bronze: ${whole}`, whole === null);
  }
}

async function tablesOf(catalog: LakeCatalog): Promise<Table[]> {
  const tables: Table[] = [];
  for (const { name } of await catalog.tables()) {
    tables.push(must(await catalog.load(name), `${name} was just listed`));
  }
  return tables;
}

async function pathsAt(catalog: LakeCatalog, table: Table, id: bigint | null): Promise<string[]> {
  const snapshot = table.snapshots.find((one) => one.snapshotId === id) ?? null;
  const { files } = await catalog.scan(table, snapshot);
  return files.map((file) => file.localPath);
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
