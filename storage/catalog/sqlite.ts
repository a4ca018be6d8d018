/**
 * The catalog of a lake in one SQLite file: core's Catalog port. DESIGN, decision 2. What a start does not need, such
 * as Iceberg's files and everything that writes, is loaded when it is asked for.
 */

import { realpathSync } from "node:fs";
import { compareCodePoints } from "../../core/base/order.ts";
import type { StagedFile } from "../../core/engine.ts";
import type { LagStore } from "../../core/ingest/lag.ts";
import type { Ledger } from "../../core/ingest/ledger.ts";
import type { ReconciliationStore } from "../../core/ingest/reconciliation.ts";
import { CURSOR_LAG_MS, UNLINK_DATA_AFTER_MS } from "../../core/limits.ts";
import type { RunStore } from "../../core/model/run-store.ts";
import type {
  AdoptTarget,
  BranchHead,
  Catalog,
  Changes,
  Clock,
  CommitFilter,
  Delta,
  DroppedTable,
  DropRequest,
  Expired,
  FileIO,
  PromoteRequest,
  Random,
  ScanFilter,
  TableHead,
} from "../../core/ports.ts";
import type {
  Change,
  CommitInfo,
  CommitResult,
  FactKind,
  VersionRef,
} from "../../core/table/commit.ts";
import type {
  DataFile,
  Scan,
  ScanFile,
  Snapshot,
  Table,
  TableName,
} from "../../core/table/types.ts";
import type { PlanInput } from "../iceberg/plan.ts";
import { ManifestStore, MetadataCache, relativePath } from "../iceberg/recorded-files.ts";
import type { CatalogContext } from "./context.ts";
import { text } from "./database.ts";
import { findCommitAt, listCommits, listTags, readPointer, readPointers } from "./history.ts";
import type { IcebergCatalog } from "./iceberg-catalog.ts";
import { CATALOG_NAME, LakeStore } from "./lake-store.ts";
import { SqliteLedger } from "./ledger.ts";
import { SqliteRunStore } from "./runs.ts";
import type { SystemTable } from "./system-column.ts";
import type { Places } from "./table-place.ts";
import type { Orphans, ReadLease, SweepOptions, Swept, UnlinkOptions } from "./unlink.ts";

export interface CatalogOptions {
  /** Its root holds catalog.db. */
  readonly io: FileIO;
  readonly clock: Clock;
  readonly random: Random;
  readonly readonly?: boolean;
  /** Milliseconds that SQLite itself may wait, blocking the event loop; 0 in a long-lived process. */
  readonly busyTimeoutMs?: number;
  /** How long past snapshots can be read, and how far a model may fall behind. */
  readonly keep?: { readonly snapshotsMs: number; readonly lagMs: number };
  /** Summary entries that name the writer. */
  readonly engine?: Readonly<Record<string, string>>;
}

const DEFAULT_ENGINE = { "engine-name": "tarn" } as const;

/** What writes asks for them many times a second. */
const loadCommit = lazily(() => import("./commit.ts"));
const loadMetadata = lazily(() => import("../iceberg/metadata.ts"));
const loadPlan = lazily(() => import("../iceberg/plan.ts"));

export class LakeCatalog implements Catalog {
  readonly ledger: Ledger;
  readonly runs: RunStore;
  readonly lags: LagStore;
  readonly reconciliations: ReconciliationStore;
  readonly #context: CatalogContext;

  /**
   * Opens the lake at `io.root`, or makes it. Under another root than the recorded one it is not `writable`: recorded
   * paths are read below the new root, and nothing is written through them. Throws `not-found`, `unsupported`,
   * `corrupt`, `io`.
   */
  static async open(options: CatalogOptions): Promise<LakeCatalog> {
    const { io, clock, random } = options;
    const store = await LakeStore.open({
      root: realpathSync(io.root),
      readonly: options.readonly ?? false,
      busyTimeoutMs: options.busyTimeoutMs ?? 0,
      clock,
      random,
    });
    return new LakeCatalog({
      store,
      io,
      clock,
      random,
      metadata: new MetadataCache(io, store.recordedRoot),
      manifests: new ManifestStore(io, store.recordedRoot),
      adopted: new Set(),
      engine: options.engine ?? DEFAULT_ENGINE,
      snapshotsAgeMaxMs: options.keep?.snapshotsMs ?? null,
      cursorLagMs: options.keep?.lagMs ?? CURSOR_LAG_MS,
    });
  }

  private constructor(context: CatalogContext) {
    this.#context = context;
    this.ledger = new SqliteLedger(context.store);
    this.lags = lagsOf(context.store);
    this.reconciliations = reconciliationsOf(context.store);
    this.runs = new SqliteRunStore(context.store, () => context.clock.nowMs());
  }

  get lakeId(): string {
    return this.#context.store.lakeId;
  }

  get writable(): boolean {
    return this.#context.store.writable;
  }

  /** The root that recorded locations start with; another than `io.root` in a moved lake. */
  get recordedRoot(): string {
    return this.#context.store.recordedRoot;
  }

  /** Call it once the engine lease is held: from then on each write checks that no other engine took over. */
  async takeEngine(): Promise<bigint> {
    return await this.#context.store.takeEpoch();
  }

  async tables(): Promise<readonly TableHead[]> {
    const { store } = this.#context;
    const pointers = await store.look(() => readPointers(store));
    const known = pointers.flatMap(({ head }) => (head === null ? [] : [head]));
    if (known.length === pointers.length) return known;
    const { enterForeign } = await import("./publish.ts");
    return await enterForeign(this.#context, pointers);
  }

  async views(): Promise<readonly TableName[]> {
    const { store } = this.#context;
    const sql = `SELECT table_namespace || '.' || table_name AS name FROM iceberg_tables
      WHERE catalog_name = ? AND iceberg_type = 'VIEW'`;
    const rows = await store.look(() => store.db.all(sql, CATALOG_NAME));
    return rows.map((row) => text(row, "name")).sort(compareCodePoints);
  }

  async load(name: TableName): Promise<Table | null> {
    const { store, metadata } = this.#context;
    const pointer = await store.look(() => readPointer(store, name));
    if (pointer === null) return null;
    const version = await metadata.load(pointer.metadataLocation);
    const { toTable } = await loadMetadata();
    return toTable(version, name);
  }

  async snapshotAt(table: Table, ref: VersionRef): Promise<Snapshot | null> {
    if (ref.kind === "current") return table.current;
    const { resolveVersion } = await import("./version.ts");
    return await resolveVersion(this.#context.store, table, ref);
  }

  async scan(table: Table, snapshot: Snapshot | null, filter?: ScanFilter): Promise<Scan> {
    const { planScan } = await loadPlan();
    return await planScan(await this.#planInput(table), snapshot, filter);
  }

  async danglingDeletes(table: Table): Promise<readonly DataFile[]> {
    const { planDangling } = await loadPlan();
    return await planDangling(await this.#planInput(table), table.current);
  }

  async manifestsToMerge(table: Table): Promise<number> {
    const { planManifests } = await loadPlan();
    return await planManifests(await this.#planInput(table), table.current);
  }

  async expire(name: TableName, options: { readonly dryRun: boolean }): Promise<Expired> {
    const { expireSnapshots } = await import("./expire.ts");
    return await expireSnapshots(this.#context, name, options);
  }

  async delta(table: Table, after: bigint | null, to: Snapshot | null): Promise<Delta> {
    const { planDelta } = await loadPlan();
    return await planDelta(await this.#planInput(table), after, to);
  }

  async changes(table: Table, before: Snapshot | null, after: Snapshot | null): Promise<Changes> {
    const { planChanges } = await import("../iceberg/plan-changes.ts");
    return await planChanges(await this.#planInput(table), before, after);
  }

  async adopt(target: AdoptTarget, staged: readonly StagedFile[]): Promise<DataFile[]> {
    const { adoptFiles } = await loadCommit();
    return await adoptFiles(this.#context, target, staged);
  }

  async discard(files: readonly DataFile[]): Promise<void> {
    this.#context.store.checkWritable();
    for (const { path } of files) this.#context.adopted.delete(path);
    await this.#context.io.removeAll(files.map((file) => this.#relative(file)));
  }

  async commit(change: Change, ready?: Promise<void>): Promise<CommitResult> {
    // It may fail before the commit comes to it, which then says so.
    ready?.catch(() => {});
    const { commitChange } = await loadCommit();
    return await commitChange(this.#context, change, ready);
  }

  scanFiles(files: readonly DataFile[]): readonly ScanFile[] {
    const { io } = this.#context;
    return files.map((file) => ({ localPath: `${io.root}/${this.#relative(file)}`, file }));
  }

  async fact(kind: FactKind, name: string): Promise<string | null> {
    const { store } = this.#context;
    const sql = "SELECT value FROM lake_facts WHERE kind = ? AND name = ?";
    const row = await store.look(() => store.db.get(sql, kind, name));
    return row === null ? null : text(row, "value");
  }

  async facts(kind: FactKind): Promise<ReadonlyMap<string, string>> {
    const { store } = this.#context;
    const sql = "SELECT name, value FROM lake_facts WHERE kind = ? ORDER BY name";
    const rows = await store.look(() => store.db.all(sql, kind));
    return new Map(rows.map((row) => [text(row, "name"), text(row, "value")]));
  }

  async commits(options: CommitFilter): Promise<readonly CommitInfo[]> {
    return await listCommits(this.#context.store, options);
  }

  async commitAt(timeMs: number): Promise<CommitInfo | null> {
    return await findCommitAt(this.#context.store, timeMs);
  }

  async tags(): Promise<ReadonlyMap<string, CommitInfo>> {
    return await listTags(this.#context.store);
  }

  async setTag(name: string, commitNumber: bigint | null): Promise<void> {
    const { setTag } = await import("./tags.ts");
    await setTag(this.#context, name, commitNumber);
  }

  async branchHeads(): Promise<readonly BranchHead[]> {
    const { branchHeads } = await import("./branches.ts");
    return await branchHeads(this.#context);
  }

  async createBranch(name: string, heads: ReadonlyMap<TableName, bigint>): Promise<void> {
    const { createBranch } = await import("./branches.ts");
    await createBranch(this.#context, name, heads);
  }

  async dropBranch(name: string): Promise<void> {
    const { dropBranch } = await import("./branches.ts");
    await dropBranch(this.#context, name);
  }

  async promoteBranch(request: PromoteRequest): Promise<bigint> {
    const { promoteBranch } = await import("./branches.ts");
    return await promoteBranch(this.#context, request);
  }

  async drop(request: DropRequest): Promise<bigint | null> {
    const { dropTables } = await import("./drop.ts");
    return await dropTables(this.#context, request);
  }

  async dropped(): Promise<readonly DroppedTable[]> {
    const { droppedTables } = await import("./drop.ts");
    return await droppedTables(this.#context);
  }

  /** Lets originals of forgotten files wait until no restore brings their rows back; when that is. */
  async queueOriginals(paths: readonly string[]): Promise<number> {
    const { clock, snapshotsAgeMaxMs } = this.#context;
    const { queueOriginals } = await import("./originals.ts");
    const dueMs = clock.nowMs() + Math.max(snapshotsAgeMaxMs ?? 0, UNLINK_DATA_AFTER_MS);
    await queueOriginals(this.#context, paths, dueMs);
    return dueMs;
  }

  /** True where the time of some is over. */
  async hasLeavingOriginals(): Promise<boolean> {
    const { store, clock } = this.#context;
    const sql = "SELECT 1 FROM lake_originals_leaving WHERE due_ms <= ? LIMIT 1";
    return (await store.read(() => store.db.all(sql, Math.trunc(clock.nowMs())))).length > 0;
  }

  /** Removes those. Nothing may land meanwhile. */
  async unlinkOriginals(): Promise<void> {
    const { unlinkOriginals } = await import("./originals.ts");
    await unlinkOriginals(this.#context);
  }

  async undrop(drop: bigint): Promise<bigint> {
    const { undropTables } = await import("./drop.ts");
    return await undropTables(this.#context, drop);
  }

  /** Rows of a system table, such as `snapshots`, of one table or of all; null when there is none of that name. */
  async systemTable(name: string, table: TableName | null = null): Promise<SystemTable | null> {
    // Dozens of queries and their columns, which most starts never ask.
    const { readSystemTable } = await import("./system.ts");
    return await readSystemTable(this.#context, name, table);
  }

  /** For a statement that runs long: what it pinned is not unlinked while its process lives. */
  async addReadLease(lease: ReadLease): Promise<void> {
    const { addReadLease } = await import("./unlink.ts");
    await addReadLease(this.#context.store, lease);
  }

  async dropReadLease(id: string): Promise<void> {
    const { dropReadLease } = await import("./unlink.ts");
    await dropReadLease(this.#context.store, id);
  }

  /** Unlinks what is due, and once a day looks for files that nothing names. Only under the engine lease. */
  async maintain(options: UnlinkOptions): Promise<Swept> {
    const { maintain } = await import("./unlink.ts");
    return await maintain(this.#context, options);
  }

  /** Removes files whose time to be unlinked has come. Only under the engine lease. */
  async unlinkDue(options: UnlinkOptions): Promise<Swept> {
    const { unlinkDue } = await import("./unlink.ts");
    return await unlinkDue(this.#context, options);
  }

  /** Finds files that nothing names any more and lets them wait to be unlinked. Only under the engine lease. */
  async sweep(options: SweepOptions): Promise<Swept> {
    const { sweep } = await import("./unlink.ts");
    return await sweep(this.#context, options);
  }

  /** Both, at once: what waits to be removed, and what was. For a dry run nothing is. Only under the engine lease. */
  async orphans(options: UnlinkOptions & SweepOptions): Promise<Orphans> {
    const { removeOrphans } = await import("./unlink.ts");
    return await removeOrphans(this.#context, options);
  }

  /** The same tables as other engines ask for them. */
  async iceberg(places: Places): Promise<IcebergCatalog> {
    const { IcebergCatalog: Opened } = await import("./iceberg-catalog.ts");
    return new Opened(this.#context, places);
  }

  async close(): Promise<void> {
    this.#context.store.db.close();
  }

  #relative(file: DataFile): string {
    return relativePath(file.path, this.#context.store.recordedRoot);
  }

  async #planInput(table: Table): Promise<PlanInput> {
    const { metadata } = await this.#context.metadata.load(table.metadataLocation);
    return { table: table.name, metadata, manifests: this.#context.manifests };
  }
}

/** Loaded when it is asked: drops are never behind. */
function lagsOf(store: LakeStore): LagStore {
  const opened = async () => new (await import("./lags.ts")).SqliteLagStore(store);
  return {
    record: async (lags) => await (await opened()).record(lags),
    all: async () => await (await opened()).all(),
  };
}

/** Loaded where there are any: most lakes have none. */
function reconciliationsOf(store: LakeStore): ReconciliationStore {
  const opened = async (): Promise<ReconciliationStore> => {
    const { SqliteReconciliationStore } = await import("./reconciliations.ts");
    return new SqliteReconciliationStore(store);
  };
  return {
    record: async (found) => await (await opened()).record(found),
    latest: async () => {
      const sql = "SELECT 1 FROM lake_reconciliations LIMIT 1";
      const any = await store.read(() => store.db.get(sql));
      return any === null ? [] : await (await opened()).latest();
    },
  };
}

/** The same answer for all who ask, made once: a module that is imported again costs a turn of the loader each time. */
function lazily<T>(make: () => Promise<T>): () => Promise<T> {
  let made: Promise<T> | null = null;
  return () => {
    made ??= make();
    return made;
  };
}
