/** The seeded bugs, each with the suite that must fail on it. */

import { MAINTAIN_MUTANTS } from "./maintain-mutants.ts";
import { STREAM_MUTANTS } from "./stream-mutants.ts";

export interface Suite {
  /** Built in the copy before the suite runs. */
  readonly needsBinary: boolean;
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
}

const CRASH = "tests/crash/run.ts";

export const SUITES = {
  calm: { needsBinary: true, args: ["run", CRASH, "calm"], env: {} },
  order: { needsBinary: true, args: ["run", CRASH, "order"], env: {} },
  // Every fifth point: the windows these bugs open are wider than that.
  points: { needsBinary: true, args: ["run", CRASH, "points"], env: { TARN_CRASH_STRIDE: "5" } },
  faults: {
    needsBinary: true,
    args: ["run", CRASH, "faults"],
    env: { TARN_CRASH_BUDGET_S: "500" },
  },
  /** Every COMMIT of the simulated lake failing in every way. */
  commits: { needsBinary: false, args: ["run", "tests/sim/long.ts", "commits"], env: {} },
  catalog: {
    needsBinary: false,
    args: ["test", "--timeout", "60000", "tests/unit/storage/catalog"],
    env: {},
  },
  /** Streams on the simulated disk, at a sample of places, and at every thirtieth. */
  streams: tested("tests/sim/streams-sweep.test.ts"),
  "stream-cuts": {
    needsBinary: false,
    args: ["run", "tests/sim/long.ts", "streams", "cuts"],
    env: { TARN_SIM_STRIDE: "30" },
  },
  mended: tested("tests/sim/mended-sweep.test.ts"),
  compaction: tested("tests/unit/sql/write/compact.test.ts"),
  landing: tested("tests/property/landing.test.ts"),
  laws: tested("tests/property/laws.test.ts"),
  kinds: tested("tests/unit/storage/sources/new-kind.test.ts"),
  cdc: tested("tests/property/cdc.test.ts"),
  handover: tested("tests/postgres/handover.test.ts"),
  wire: tested("tests/postgres/wire.test.ts"),
  binlog: tested("tests/mysql/log.test.ts"),
  resume: tested("tests/mysql/resume.test.ts"),
  misbehaving: tested("tests/postgres/misbehaving.test.ts"),
  receiver: tested("tests/unit/storage/sources/postgres/receiver.test.ts"),
  pieces: tested("tests/unit/storage/sources/pieces.test.ts"),
  ahead: tested("tests/unit/sql/decode/segment/ahead.test.ts"),
  kafka: tested("tests/unit/storage/sources/kafka"),
  log: tested("tests/property/log.test.ts"),
  api: tested("tests/property/api.test.ts"),
} as const satisfies Readonly<Record<string, Suite>>;

function tested(path: string): Suite {
  // Nothing that one test shows is worth the others.
  return { needsBinary: false, args: ["test", "--timeout", "180000", "--bail", path], env: {} };
}

export type SuiteName = keyof typeof SUITES;

export interface Mutant {
  readonly name: string;
  /** What is wrong, in words. */
  readonly bug: string;
  readonly file: string;
  /** Stands exactly once in the file. */
  readonly search: string;
  readonly replace: string;
  readonly suite: SuiteName;
}

const DURABLE = "storage/disk/durable.ts";
const LOCAL = "storage/disk/local.ts";
const COMMIT = "storage/catalog/commit.ts";
const PUBLISH = "storage/catalog/publish.ts";
const LEDGER = "storage/catalog/ledger.ts";
const LANDING = "core/ingest/landing.ts";

const LAKE_MUTANTS: readonly Mutant[] = [
  {
    name: "no-folder-sync",
    bug: "a new name is not made durable in its folder",
    file: DURABLE,
    search: "await this.disk.syncFolder(path);",
    replace: "",
    suite: "order",
  },
  {
    name: "no-new-folder-sync",
    bug: "a new folder's own name is not made durable",
    file: DURABLE,
    search: "await this.syncFolders(level.map((path) => this.parent(path)));",
    replace: "",
    suite: "order",
  },
  {
    name: "no-metadata-sync",
    bug: "manifests and metadata are renamed without being synced",
    file: DURABLE,
    search:
      "await mapBounded(open, DISK_CONCURRENCY, ({ path, file }) => this.syncFile(file, path));",
    replace: "",
    suite: "order",
  },
  {
    name: "adopt-without-sync",
    bug: "a worker's output is renamed into the table without being synced",
    file: DURABLE,
    search: "mapBounded(others, DISK_CONCURRENCY, (path) => this.syncExisting(path)),",
    replace: "",
    suite: "order",
  },
  {
    name: "adopt-without-folder-sync",
    bug: "an adopted file's name is not made durable",
    file: LOCAL,
    search: "...taken.map((path) => this.durable.parent(path))",
    replace: "",
    suite: "order",
  },
  {
    name: "original-unsynced",
    bug: "the ledger names an original that may be lost",
    file: "storage/files/claim.ts",
    search: "if (this.#isKept) await this.#durable.syncFile(file, this.path);",
    replace: "",
    suite: "order",
  },
  {
    name: "catalog-not-full-sync",
    bug: "SQLite acknowledges a commit before it is on the disk",
    file: "storage/catalog/database.ts",
    search: 'this.#pragma("synchronous = FULL", "synchronous", "2");',
    replace: 'this.#pragma("synchronous = NORMAL", "synchronous", "1");',
    suite: "order",
  },
  {
    name: "commit-before-files",
    bug: "the pointer moves while the metadata is still being written",
    file: COMMIT,
    search: "  await context.io.createAll(",
    replace: "  void context.io.createAll(",
    suite: "order",
  },
  {
    name: "offset-outside-transaction",
    bug: "offsets and cursors are written a little after the commit",
    file: PUBLISH,
    search: "      writeFacts(store, change.facts);",
    replace: "      setTimeout(() => void store.write(() => writeFacts(store, change.facts)), 20);",
    suite: "points",
  },
  {
    name: "unlink-on-unknown",
    bug: "a commit without an answer is taken for a failed one, and its files are removed",
    file: COMMIT,
    search: 'if (found.kind === "unknown") return found;',
    replace:
      'if (found.kind === "unknown") {\n        await this.#discard();\n        return found;\n      }',
    suite: "commits",
  },
  {
    name: "no-compare-and-swap",
    bug: "a lost race is taken for a won one",
    file: PUBLISH,
    search: "return changed === 1;",
    replace: "return changed >= 0;",
    suite: "catalog",
  },
  {
    name: "facts-unchecked",
    bug: "a commit does not see that its offset moved",
    file: PUBLISH,
    search: "      checkFacts(store, change.facts);",
    replace: "",
    suite: "catalog",
  },
  {
    name: "ledger-before-commit",
    bug: "files of a batch that was never committed count as landed",
    file: LEDGER,
    search: ") AND b.commit_number IS NOT NULL\n        ORDER BY f.version",
    replace: ")\n        ORDER BY f.version",
    suite: "points",
  },
  {
    name: "duplicate-of-uncommitted",
    bug: "a file is a duplicate of one whose batch was never committed",
    file: LEDGER,
    search: 'const IN_LAKE = "b.commit_number IS NOT NULL AND b.withdrawn_by IS NULL";',
    replace: 'const IN_LAKE = "b.withdrawn_by IS NULL";',
    suite: "points",
  },
  {
    name: "withdrawn-still-landed",
    bug: "bytes of a withdrawn batch can never land again",
    file: LEDGER,
    search: 'const IN_LAKE = "b.commit_number IS NOT NULL AND b.withdrawn_by IS NULL";',
    replace: 'const IN_LAKE = "b.commit_number IS NOT NULL";',
    suite: "calm",
  },
  {
    name: "withdrawn-lands-again",
    bug: "a restore is undone by the next build",
    file: LEDGER,
    search: ") AND b.commit_number IS NOT NULL\n        ORDER BY f.version",
    replace:
      ") AND b.commit_number IS NOT NULL AND b.withdrawn_by IS NULL\n        ORDER BY f.version",
    suite: "calm",
  },
  {
    name: "batch-stays-hidden",
    bug: "a landing commit does not make its ledger rows visible",
    file: LANDING,
    search: "batches: staged.map(({ plan }) => plan.batch),",
    replace: "batches: [],",
    suite: "calm",
  },
  {
    name: "duplicates-not-known",
    bug: "what landed before is taken for new",
    file: "storage/sources/files.ts",
    search: "const isKnown = found !== undefined && sameForm(form(drop), found);",
    replace: "const isKnown = found !== undefined && drop.file === '';",
    suite: "calm",
  },
  {
    name: "quarantine-forgotten",
    bug: "bad rows leave the batch and reach no table",
    file: LANDING,
    search: "flatMap(({ bronze, rejected }) => [bronze, rejected].filter(isChange)),",
    replace: "flatMap(({ bronze }) => [bronze].filter(isChange)),",
    suite: "calm",
  },
  {
    name: "cursor-not-moved",
    bug: "a model's publish does not move its cursor",
    file: "core/model/run.ts",
    search: "facts: [cursorFact(job, result, windows)],",
    replace: "facts: [],",
    suite: "calm",
  },
  {
    name: "delta-from-start",
    bug: "an incremental run reads everything again",
    file: "core/model/decide.ts",
    search: "return catalog.delta(table, before.snapshotId, snapshot);",
    replace: "return catalog.delta(table, null, snapshot);",
    suite: "calm",
  },
  {
    name: "full-run-appends",
    bug: "a full run adds to the old rows instead of replacing them",
    file: "core/model/run.ts",
    search: 'job.plan.kind === "full" ? everyFile(current).map(fileKey) : result.replaced;',
    replace: "result.replaced;",
    suite: "calm",
  },
];

export const MUTANTS: readonly Mutant[] = [...LAKE_MUTANTS, ...STREAM_MUTANTS, ...MAINTAIN_MUTANTS];
