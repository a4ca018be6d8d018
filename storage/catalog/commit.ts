/**
 * A commit from beginning to end: staged files are adopted by their table, it is prepared once, retention lets go of
 * what is thinned out, it is staged per attempt, published, and it is known what happened.
 */

import { LakeError } from "../../core/base/errors.ts";
import { counted } from "../../core/base/quantity.ts";
import type { StagedFile, StagedVector } from "../../core/engine.ts";
import { MAIN } from "../../core/limits.ts";
import type { AdoptTarget, FileStat } from "../../core/ports.ts";
import type { Change, CommitResult, Fact } from "../../core/table/commit.ts";
import { untilFirst } from "../../core/table/publish.ts";
import { POSITION_DELETES } from "../../core/table/system-columns.ts";
import type { DataFile, Snapshot, TableName } from "../../core/table/types.ts";
import { mapBounded } from "../disk/durable.ts";
import type { TableMetadata, TableVersion } from "../iceberg/metadata.ts";
import { limitMetrics } from "../iceberg/metrics.ts";
import { partitionColumns, partitionPath } from "../iceberg/partition.ts";
import { dataFolder, recordedLocation, relativePath } from "../iceberg/recorded-files.ts";
import {
  canStage,
  isPutOnTop,
  type NewFile,
  type Prepared,
  prepare,
  stage,
} from "../iceberg/transaction.ts";
import { readDataFileMetrics } from "../parquet/footer.ts";
import type { CatalogContext } from "./context.ts";
import { CommitDoubt } from "./database.ts";
import { partsOf, readAttempt, readPointer } from "./history.ts";
import { enterForeign, findStale, type Move, type Published, publish } from "./publish.ts";

/** Ids of snapshots that a commit on `base` takes out; `facts` are those that move with it. */
export async function snapshotsToThin(
  context: CatalogContext,
  { metadata }: TableVersion,
  facts: readonly Fact[],
): Promise<bigint[]> {
  const { snapshotsAgeMaxMs } = context;
  const sinceMs = snapshotsAgeMaxMs === null ? null : context.clock.nowMs() - snapshotsAgeMaxMs;
  const isAged =
    sinceMs !== null && metadata.snapshots.some(({ timestampMs }) => timestampMs < sinceMs);
  // No young table of a few snapshots pays for reading the cursors.
  if (!isAged && metadata.snapshots.length < SNAPSHOTS_ALWAYS_KEPT) return [];
  const { thinned } = await import("./thin.ts");
  return await thinned(context, metadata, facts);
}

/** References that are over. Most tables have none but `main`, which says nothing of its age. */
async function agedRefs(metadata: TableMetadata, nowMs: number): Promise<readonly string[]> {
  const { refs } = metadata;
  const isPlain = refs.size === 0 || (refs.size === 1 && !refs.get(MAIN)?.minSnapshotsToKeep);
  if (isPlain) return [];
  const { keptByRefs } = await import("../../core/table/kept-refs.ts");
  return keptByRefs(metadata, nowMs).agedRefs;
}

/** Below this many no pace is fast enough to thin. */
const SNAPSHOTS_ALWAYS_KEPT = 60;

export async function commitChange(
  context: CatalogContext,
  change: Change,
  ready: Promise<void> = Promise.resolve(),
): Promise<CommitResult> {
  try {
    context.store.checkWritable();
    checkNames(change);
    const early = await context.store.read(() => findStale(context.store, change.facts));
    if (early !== null) return { kind: "stale", fact: `${early.kind} ${early.name}` };
    return await new Attempts(context, change, ready).run();
  } finally {
    // Whoever is told how it ended finds nothing of it still under way.
    await Promise.allSettled([ready]);
  }
}

/** The table's version now, its foreign commits entered; null when there is none. */
export async function currentVersion(
  context: CatalogContext,
  name: TableName,
): Promise<TableVersion | null> {
  const pointer = await context.store.look(() => readPointer(context.store, name));
  if (pointer === null) return null;
  if (pointer.head === null) await enterForeign(context, [pointer]);
  return await context.metadata.load(pointer.metadataLocation);
}

/** Where a table that is made now will live: never shared, never reused. DESIGN, decision 1. */
export function newTableLocation(context: CatalogContext, name: TableName, uuid: string): string {
  const { namespace, table } = partsOf(name);
  const folder = `${table}-${uuid.replaceAll("-", "").slice(0, 8)}`;
  return recordedLocation(`${context.store.recordedRoot}/${namespace}/${folder}`);
}

/** Writes new files durably, and makes those durable that were adopted. */
export async function writeFiles(
  context: CatalogContext,
  files: readonly NewFile[],
  adopted: readonly string[] = [],
): Promise<void> {
  const root = context.store.recordedRoot;
  await context.io.createAll(
    files.map(({ location, bytes }) => ({ path: relativePath(location, root), bytes })),
    adopted.map((location) => relativePath(location, root)),
  );
  for (const location of adopted) context.adopted.delete(location);
}

/** Removes files that nothing names. What cannot be removed is an orphan, found later by listing. */
export async function discardFiles(
  context: CatalogContext,
  files: readonly NewFile[],
): Promise<void> {
  const root = context.store.recordedRoot;
  const paths = files.map(({ location }) => relativePath(location, root));
  await context.io.removeAll(paths).catch(() => {});
}

/** One change on its way through as many attempts as it takes. */
class Attempts {
  readonly #context: CatalogContext;
  readonly #change: Change;
  readonly #ready: Promise<void>;
  readonly #commitUuid: string;
  #prepared: readonly Prepared[] = [];
  /** Everything written so far that nothing names. */
  #loose: NewFile[] = [];

  constructor(context: CatalogContext, change: Change, ready: Promise<void>) {
    this.#context = context;
    this.#change = change;
    this.#ready = ready;
    this.#commitUuid = context.random.uuid();
  }

  async run(): Promise<CommitResult> {
    const result = await untilFirst((number) => this.#attempt(number), this.#context);
    return result ?? (await this.#conflict(this.#change.tables.map((one) => one.table)));
  }

  /** Null when a base moved that can be staged upon. */
  async #attempt(number: number): Promise<CommitResult | null> {
    try {
      const bases = await this.#bases();
      const moved = this.#notStageable(bases);
      if (moved.length > 0) return await this.#conflict(moved);
      const isFirst = number === 1;
      const again = isFirst ? [] : await this.#prepareAgain(bases);
      if (isFirst) this.#prepared = await this.#prepareAll(bases);
      const moves = await this.#stageAll(bases, number);
      const files = moves.flatMap((move) => move.staged.files);
      const made = isFirst ? this.#prepared : again;
      await this.#write([...made.flatMap((one) => one.files), ...files]);
      await this.#ready;
      return await this.#publish(moves, `${this.#commitUuid}-${number}`);
    } catch (thrown) {
      if (thrown instanceof CommitDoubt) throw thrown;
      await this.#discard();
      if (!(thrown instanceof LakeError) || thrown.code !== "conflict") throw thrown;
      return { kind: "conflict", tables: this.#change.tables.map((one) => one.table) };
    }
  }

  async #bases(): Promise<(TableVersion | null)[]> {
    const bases: (TableVersion | null)[] = [];
    for (const { table } of this.#change.tables) {
      bases.push(await currentVersion(this.#context, table));
    }
    return bases;
  }

  #notStageable(bases: readonly (TableVersion | null)[]): TableName[] {
    return this.#change.tables.flatMap((change, index) => {
      const base = bases[index] ?? null;
      const prepared = this.#prepared[index];
      return canStage(change, prepared?.input.base ?? null, base) ? [] : [change.table];
    });
  }

  async #prepareAll(bases: readonly (TableVersion | null)[]): Promise<Prepared[]> {
    const { manifests } = this.#context;
    const commitUuid = this.#commitUuid;
    const prepared: Prepared[] = [];
    for (const [index, change] of this.#change.tables.entries()) {
      const base = bases[index] ?? null;
      const location =
        base?.metadata.location ?? newTableLocation(this.#context, change.table, change.uuid);
      const snapshotId = change.snapshotId ?? this.#newSnapshotId(base);
      prepared.push(await prepare({ base, change, location, snapshotId, commitUuid, manifests }));
    }
    return prepared;
  }

  /** A `replace` whose base moved looks for the manifests of its files anew; what it has now. */
  async #prepareAgain(bases: readonly (TableVersion | null)[]): Promise<Prepared[]> {
    const again: Prepared[] = [];
    for (const [index, prepared] of this.#prepared.entries()) {
      const { input } = prepared;
      const base = bases[index] ?? null;
      const isMoved = base?.metadataLocation !== input.base?.metadataLocation;
      if (!isMoved || !isPutOnTop(input.change)) continue;
      // Manifests are named by it, and names are never used twice.
      again.push(await prepare({ ...input, base, commitUuid: this.#context.random.uuid() }));
      this.#prepared = this.#prepared.with(index, again.at(-1) ?? prepared);
    }
    return again;
  }

  async #stageAll(bases: readonly (TableVersion | null)[], attempt: number): Promise<Move[]> {
    const { clock, random, engine } = this.#context;
    const moves: Move[] = [];
    for (const [index, prepared] of this.#prepared.entries()) {
      const base = bases[index] ?? null;
      const { table } = prepared.input.change;
      const nowMs = clock.nowMs();
      const dropSnapshots =
        base === null ? [] : await snapshotsToThin(this.#context, base, this.#change.facts);
      const dropRefs = base === null ? [] : await agedRefs(base.metadata, nowMs);
      const metadataUuid = random.uuid();
      const staged = await stage(prepared, {
        base,
        attempt,
        metadataUuid,
        nowMs,
        engine,
        dropSnapshots,
        dropRefs,
      });
      moves.push({ name: table, base, staged });
    }
    return moves;
  }

  async #write(files: readonly NewFile[]): Promise<void> {
    this.#loose.push(...files);
    const added = this.#change.tables.flatMap((table) => table.added);
    const adopted = added.flatMap(({ path }) => (this.#context.adopted.has(path) ? [path] : []));
    await writeFiles(this.#context, files, adopted);
  }

  async #publish(moves: readonly Move[], attempt: string): Promise<CommitResult | null> {
    const { store, clock } = this.#context;
    let published: Published;
    try {
      published = await publish(store, this.#change, moves, { attempt, nowMs: clock.nowMs() });
    } catch (thrown) {
      if (!(thrown instanceof CommitDoubt)) throw thrown;
      const found = await this.#lookUp(thrown, attempt);
      if (found.kind === "unknown") return found;
      published = found;
    }
    switch (published.kind) {
      case "committed":
        return await this.#committed(moves, published);
      case "stale":
        await this.#discard();
        return published;
      case "moved":
        await this.#discardStaged(moves);
        return null;
    }
  }

  /** After a failed COMMIT: it happened, or it did not (thrown), or nobody can tell (nothing is removed). */
  async #lookUp(
    doubt: CommitDoubt,
    attempt: string,
  ): Promise<Extract<Published, { kind: "committed" }> | { kind: "unknown"; cause: unknown }> {
    const { store } = this.#context;
    try {
      const found = await store.read(() => readAttempt(store, attempt));
      if (found !== null) return { kind: "committed", ...found };
    } catch {
      return { kind: "unknown", cause: doubt.cause };
    }
    // After an I/O error the log may hold the commit though this process cannot see it.
    if (!doubt.definite) return { kind: "unknown", cause: doubt.cause };
    throw new LakeError("io", `nothing was committed: ${doubt.message}`, {
      hint: "free some space or mend the disk; the work is taken up again from the last commit",
      cause: doubt.cause,
    });
  }

  async #committed(
    moves: readonly Move[],
    published: Extract<Published, { kind: "committed" }>,
  ): Promise<CommitResult> {
    const snapshots = new Map<TableName, Snapshot>();
    const named = new Set(this.#prepared.flatMap((one) => one.files.map((file) => file.location)));
    for (const { name, staged } of moves) {
      const { metadata, metadataLocation, snapshot, files } = staged;
      const own = files.find((file) => file.location === metadataLocation);
      this.#context.metadata.keepWritten(
        { metadata, metadataLocation },
        own?.bytes.byteLength ?? 0,
      );
      if (snapshot !== null) snapshots.set(name, snapshot);
      for (const file of files) named.add(file.location);
    }
    await discardFiles(
      this.#context,
      this.#loose.filter((file) => !named.has(file.location)),
    );
    return { ...published, snapshots };
  }

  async #conflict(tables: readonly TableName[]): Promise<CommitResult> {
    await this.#discard();
    return { kind: "conflict", tables };
  }

  async #discardStaged(moves: readonly Move[]): Promise<void> {
    const staged = moves.flatMap((move) => move.staged.files);
    const locations = new Set(staged.map((file) => file.location));
    this.#loose = this.#loose.filter((file) => !locations.has(file.location));
    await discardFiles(this.#context, staged);
  }

  async #discard(): Promise<void> {
    const loose = this.#loose;
    this.#loose = [];
    await discardFiles(this.#context, loose);
  }

  #newSnapshotId(base: TableVersion | null): bigint {
    const taken = new Set(base?.metadata.snapshots.map((snapshot) => snapshot.snapshotId));
    for (;;) {
      const id = this.#context.random.int63();
      if (id > 0n && !taken.has(id)) return id;
    }
  }
}

function checkNames(change: Change): void {
  const names = new Set(change.tables.map((one) => one.table));
  if (names.size === change.tables.length) return;
  throw new LakeError("internal", "one commit names a table twice");
}

/**
 * Moves staged Parquet files to `<table>/data/[partition/]<uuid>.parquet`. Nothing names them until a commit does, and
 * that makes them durable first; an attempt that dies leaves orphans. Throws `corrupt` when a footer is not of what was
 * staged.
 */
export async function adoptFiles(
  context: CatalogContext,
  target: AdoptTarget,
  staged: readonly StagedFile[],
): Promise<DataFile[]> {
  context.store.checkWritable();
  if (staged.length === 0) return [];
  const { location, properties } = await tableOf(context, target);
  const folder = dataFolder({ location });
  const columns = partitionColumns(target.spec, [target.schema]);
  const root = context.store.recordedRoot;
  // Vectors of many data files, of any partition, are in one file.
  const byStaged = new Map<string, { recorded: string; path: string }>();
  const planned = staged.map((file) => {
    const isVector = file.vector !== undefined;
    const partition = isVector ? "" : partitionPath(columns, file.partition);
    const name = `${context.random.uuid()}${isVector ? "-deletes.puffin" : ".parquet"}`;
    const recorded = [folder, ...(partition === "" ? [] : [partition]), name].join("/");
    const place = byStaged.get(file.path) ?? { recorded, path: relativePath(recorded, root) };
    byStaged.set(file.path, place);
    context.adopted.add(place.recorded);
    return { file, ...place };
  });
  const moves = [...byStaged].map(([from, { path }]) => ({ staged: from, to: path }));
  const stats = await context.io.adoptAll(moves);
  const sizeByPath = new Map(moves.map(({ to }, index) => [to, stats[index]?.sizeBytes]));
  return await mapBounded(planned, FOOTERS_AT_ONCE, async ({ file, recorded, path }) => {
    const sizeBytes = sizeByPath.get(path) ?? Number(file.sizeBytes);
    if (file.vector !== undefined) {
      return vectorFile(target, file, file.vector, { recorded, sizeBytes });
    }
    return await describe(context, target, properties, { file, recorded, path, sizeBytes });
  });
}

/** Footers read at a time. */
const FOOTERS_AT_ONCE = 8;

interface Adopted {
  readonly file: StagedFile;
  readonly recorded: string;
  readonly path: string;
  readonly sizeBytes: FileStat["sizeBytes"];
}

/** A deletion vector says itself what it is about. Metrics of it there are none: Java: BaseDVFileWriter. */
function vectorFile(
  target: AdoptTarget,
  staged: StagedFile,
  { dataFile, blob }: StagedVector,
  { recorded, sizeBytes }: { readonly recorded: string; readonly sizeBytes: number },
): DataFile {
  return {
    content: "position-deletes",
    path: recorded,
    format: "PUFFIN",
    specId: target.spec.specId,
    partition: staged.partition,
    recordCount: staged.rows,
    sizeBytes: BigInt(sizeBytes),
    metrics: new Map(),
    splitOffsets: null,
    sortOrderId: null,
    equalityIds: null,
    referencedDataFile: dataFile,
    blob,
    dataSequenceNumber: null,
    fileSequenceNumber: null,
    snapshotId: null,
  };
}

async function tableOf(
  context: CatalogContext,
  target: AdoptTarget,
): Promise<{ location: string; properties: Readonly<Record<string, string>> }> {
  const version = await currentVersion(context, target.name);
  if (version !== null && version.metadata.uuid === target.uuid) return version.metadata;
  return { location: newTableLocation(context, target.name, target.uuid), properties: {} };
}

async function describe(
  context: CatalogContext,
  target: AdoptTarget,
  properties: Readonly<Record<string, string>>,
  adopted: Adopted,
): Promise<DataFile> {
  const { file, path, sizeBytes } = adopted;
  const read = (start: number, end: number): Promise<Uint8Array> =>
    context.io.readRange(path, start, end - start);
  const isData = (target.content ?? "data") === "data";
  const schema = isData ? target.schema : POSITION_DELETES;
  const found = await readDataFileMetrics({ name: path, sizeBytes, read }, schema);
  if (found.recordCount !== file.rows) {
    throw new LakeError(
      "corrupt",
      `${path} holds ${counted(found.recordCount, "row")} where its writer counted ${file.rows}`,
      { hint: "nothing was committed; the work is done again from its source" },
    );
  }
  return {
    content: target.content ?? "data",
    path: adopted.recorded,
    format: "PARQUET",
    specId: target.spec.specId,
    partition: file.partition,
    recordCount: found.recordCount,
    sizeBytes: found.sizeBytes,
    // Which file position deletes are about is told by equal bounds of its whole path.
    metrics: isData ? limitMetrics(found.metrics, target.schema, properties) : found.metrics,
    splitOffsets: found.splitOffsets,
    sortOrderId: null,
    equalityIds: null,
    referencedDataFile: null,
    dataSequenceNumber: null,
    fileSequenceNumber: null,
    snapshotId: null,
  };
}
