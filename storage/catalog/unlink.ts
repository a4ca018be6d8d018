/**
 * Removing files, the second step after leaving the metadata: what nothing names waits for its delay, and is removed
 * only if then still nothing names it, be it a table's metadata or the lease of a long statement. DESIGN, Settled.
 */

import { readFileSync } from "node:fs";
import { type LakeError, withinLake } from "../../core/base/errors.ts";
import {
  KEY_INDEX_FOLDER,
  UNLINK_DATA_AFTER_MS,
  UNLINK_MANIFEST_AFTER_MS,
} from "../../core/limits.ts";
import type { FileIO } from "../../core/ports.ts";
import type { TableName } from "../../core/table/types.ts";
import type { TableMetadata, TableVersion } from "../iceberg/metadata.ts";
import { insideRoot, recordedLocation, relativePath } from "../iceberg/recorded-files.ts";
import { currentVersion } from "./commit.ts";
import type { CatalogContext } from "./context.ts";
import { int, oneOf, text } from "./database.ts";
import { folderSql, readPointers } from "./history.ts";
import type { LakeStore } from "./lake-store.ts";
import { queueUnlink, readable, type UnlinkKind } from "./publish.ts";

/** How deep to look: metadata files and manifest lists, their manifests, or the data files too. */
export type Depth = "lists" | "manifests" | "data";

/** Paths relative to the root. Throws when anything named cannot be read: then nothing may be removed. */
export async function reachablePaths(
  context: CatalogContext,
  version: TableVersion,
  depth: Depth,
): Promise<Set<string>> {
  const { metadata } = version;
  const root = context.store.recordedRoot;
  const paths = new Set<string>();
  const add = (location: string): void => {
    paths.add(relativePath(location, root));
  };
  add(version.metadataLocation);
  for (const entry of metadata.metadataLog) add(entry.metadataFile);
  for (const location of statisticsFiles(metadata)) add(location);
  const seen = new Set<string>();
  for (const snapshot of metadata.snapshots) {
    if (snapshot.manifestList !== "") add(snapshot.manifestList);
    if (depth === "lists") continue;
    for (const manifest of await context.manifests.list(snapshot)) {
      if (seen.has(manifest.path)) continue;
      seen.add(manifest.path);
      add(manifest.path);
      if (depth === "manifests") continue;
      for (const entry of await context.manifests.entries(manifest, metadata)) {
        // A deleted entry's file may be live in an earlier snapshot, which names it itself.
        if (entry.status !== "deleted") add(entry.file.path);
      }
    }
  }
  return paths;
}

function statisticsFiles(metadata: TableMetadata): string[] {
  return [...metadata.statistics, ...metadata.partitionStatistics].flatMap((entry) => {
    const path = entry["statistics-path"];
    return typeof path === "string" ? [path] : [];
  });
}

export interface ReadLease {
  readonly id: string;
  readonly pid: number;
  /** When the process started, as the system tells it; a reused pid has another. */
  readonly processStart: string;
  /** When the statement pinned its tables. */
  readonly sinceMs: number;
}

/** Tells when a process started; null when it does not run. */
export type ProcessStart = (pid: number) => string | null;

export async function addReadLease(store: LakeStore, lease: ReadLease): Promise<void> {
  const sql = `INSERT OR REPLACE INTO lake_read_leases (id, pid, process_start, since_ms)
    VALUES (?, ?, ?, ?)`;
  await store.write(() =>
    store.db.run(sql, lease.id, lease.pid, lease.processStart, lease.sinceMs),
  );
}

export async function dropReadLease(store: LakeStore, id: string): Promise<void> {
  await store.write(() => store.db.run("DELETE FROM lake_read_leases WHERE id = ?", id));
}

/** Leases of living processes; those of dead ones are removed. */
export async function livingLeases(
  store: LakeStore,
  processStart: ProcessStart,
): Promise<ReadLease[]> {
  const rows = await store.read(() => store.db.all("SELECT * FROM lake_read_leases"));
  const leases = rows.map(
    (row): ReadLease => ({
      id: text(row, "id"),
      pid: int(row, "pid"),
      processStart: text(row, "process_start"),
      sinceMs: int(row, "since_ms"),
    }),
  );
  const isDead = (lease: ReadLease): boolean => processStart(lease.pid) !== lease.processStart;
  const dead = leases.filter(isDead);
  for (const lease of dead) await dropReadLease(store, lease.id);
  return leases.filter((lease) => !dead.includes(lease));
}

/** Field 22 of /proc/<pid>/stat: ticks since boot. man proc(5). */
const START_FIELD_AFTER_NAME = 19;

/** The system's own answer; where there is no /proc, that a process of that number runs. */
export const systemProcessStart: ProcessStart = (pid) => {
  try {
    // The name in parentheses may hold anything, also spaces and parentheses.
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    return stat.slice(stat.lastIndexOf(")") + 2).split(" ")[START_FIELD_AFTER_NAME] ?? null;
  } catch {
    return process.platform === "linux" ? null : runs(pid);
  }
};

function runs(pid: number): string | null {
  try {
    process.kill(pid, 0);
    return "running";
  } catch {
    return null;
  }
}

export interface UnlinkOptions {
  readonly processStart: ProcessStart;
}

export interface SweepOptions {
  /** One table, or all. */
  readonly table?: TableName;
  /** Only counts. */
  readonly dryRun?: boolean;
}

export interface Swept {
  /** Files removed, or put to wait. */
  readonly files: number;
}

export interface Orphans {
  /** Files that nothing names and that are old enough, by the listing. */
  readonly found: number;
  /** Files that were removed, which nothing has named for longer than their delay. */
  readonly removed: number;
}

/** How often `maintain` lists the lake. */
const SWEEP_EVERY_MS = UNLINK_DATA_AFTER_MS;
/** Key of `lake_meta`: when the lake was last listed. */
const SWEPT_KEY = "swept_ms";
/** Stands for the table of a file that belongs to none. */
const NO_TABLE = "";
/** A table's folder as we name it, below its namespace. DESIGN, decision 1. */
const TABLE_FOLDER = /^[^/]+\/[^/]+-[0-9a-f]{8}(?=\/)/;

/** Files taken in one pass: bounds the transaction that forgets them. */
const UNLINK_BATCH = 1_000;
const KINDS: readonly UnlinkKind[] = ["metadata", "manifest-list", "manifest", "data"];

interface Waiting {
  readonly location: string;
  readonly kind: UnlinkKind;
  readonly uuid: string;
}

/** Removes what is due, and once a day looks for orphans. */
export async function maintain(context: CatalogContext, options: UnlinkOptions): Promise<Swept> {
  const { store, clock } = context;
  const removed = await unlinkDue(context, options);
  const row = await store.read(() =>
    store.db.get("SELECT value FROM lake_meta WHERE key = ?", SWEPT_KEY),
  );
  const nowMs = clock.nowMs();
  const agoMs = nowMs - (row === null ? 0 : Number(text(row, "value")));
  // A clock that was set back must not put it off for ever.
  if (agoMs >= 0 && agoMs < SWEEP_EVERY_MS) return removed;
  await sweep(context, {});
  await store.write(() => {
    const sql = "INSERT OR REPLACE INTO lake_meta (key, value) VALUES (?, ?)";
    store.db.run(sql, SWEPT_KEY, String(Math.trunc(nowMs)));
  });
  return removed;
}

/** Looks for what nothing names, then removes what has waited long enough. */
export async function removeOrphans(
  context: CatalogContext,
  options: UnlinkOptions & SweepOptions,
): Promise<Orphans> {
  const { files: found } = await sweep(context, options);
  const { files: removed } =
    options.dryRun === true ? { files: 0 } : await unlinkDue(context, options);
  return { found, removed };
}

/**
 * Removes files whose delay is over, those of readers that may still hold them aside. A file that is named again (an
 * attempt that committed after it was found) only leaves the queue. Throws after the others are removed when one cannot
 * be; that one is put off.
 */
export async function unlinkDue(context: CatalogContext, options: UnlinkOptions): Promise<Swept> {
  const { store, io, clock } = context;
  store.checkWritable();
  const leases = await livingLeases(store, options.processStart);
  // Whoever pinned before a file left may read it; what left before he came he never saw.
  const leftBeforeMs = Math.min(clock.nowMs(), ...leases.map((lease) => lease.sinceMs));
  const due = await readDue(context, leftBeforeMs);
  if (due.length === 0) return { files: 0 };
  const { named, unknown } = await namedPaths(context, due);
  const root = store.recordedRoot;
  const settled = due.filter(({ uuid }) => !unknown.has(uuid));
  const gone = settled.flatMap(({ location }) => {
    const path = relativePath(location, root);
    return named.has(path) ? [] : [path];
  });
  const failures = await removeEach(io, gone);
  const againMs = Math.trunc(clock.nowMs() + UNLINK_MANIFEST_AFTER_MS);
  await store.write(() => {
    const forget = "DELETE FROM lake_unlink WHERE location = ?";
    const putOff = "UPDATE lake_unlink SET due_ms = ? WHERE location = ?";
    for (const { location } of settled) {
      if (failures.has(relativePath(location, root))) store.db.run(putOff, againMs, location);
      else store.db.run(forget, location);
    }
  });
  const [failure] = failures.values();
  if (failure !== undefined) throw failure;
  return { files: gone.length };
}

/** Why some could not be removed; one of them keeps no other. */
async function removeEach(
  io: FileIO,
  paths: readonly string[],
): Promise<ReadonlyMap<string, LakeError>> {
  const failures = new Map<string, LakeError>();
  try {
    await io.removeAll(paths);
    return failures;
  } catch (thrown) {
    withinLake(thrown);
  }
  for (const path of paths) {
    try {
      await io.removeAll([path]);
    } catch (thrown) {
      failures.set(path, withinLake(thrown));
    }
  }
  return failures;
}

/**
 * Lists tables' folders for files that nothing names: left by a dropped snapshot, or by an attempt that
 * died. Younger ones than the data delay may belong to a commit that is under way.
 */
export async function sweep(context: CatalogContext, options: SweepOptions): Promise<Swept> {
  const { store } = context;
  const { dryRun = false } = options;
  store.checkWritable();
  const pointers = await store.read(() => readPointers(store));
  let files = 0;
  const uuids = new Set<string>();
  for (const { name } of pointers) {
    if (options.table !== undefined && options.table !== name) continue;
    const version = await readable(currentVersion(context, name));
    if (version === null) continue;
    const { uuid, location } = version.metadata;
    uuids.add(uuid);
    const nowMs = context.clock.nowMs();
    const named = await readable(reachablePaths(context, version, "data"));
    if (named === null) continue;
    const folder = insideRoot(location, context.store.recordedRoot);
    if (folder === null) continue;
    const inside = foldersInside(context, folder, pointers);
    const isLoose = (path: string): boolean =>
      !named.has(path) && !inside.some((other) => path.startsWith(other));
    files += await queueLoose(context, { folder, location, uuid, nowMs, isLoose, dryRun });
  }
  if (options.table !== undefined) return { files };
  // A table that cannot be read may own any of them.
  if (uuids.size === pointers.length && !dryRun) await removeKeyIndexes(context, uuids);
  const others = [await sweepUnmade(context, dryRun), await sweepDropped(context, dryRun)];
  return { files: others.reduce((sum, more) => sum + more, files) };
}

/** Indexes of tables that are not there any more. Nothing names an index, and each can be made again. */
async function removeKeyIndexes(
  { io, clock }: CatalogContext,
  uuids: ReadonlySet<string>,
): Promise<void> {
  const loose: string[] = [];
  const youngMs = clock.nowMs() - UNLINK_DATA_AFTER_MS;
  for await (const { path, modifiedMs } of io.list(KEY_INDEX_FOLDER)) {
    // A young one may be of a table that its first commit is about to make.
    if (modifiedMs <= youngMs && !uuids.has(path.split("/")[1] ?? "")) loose.push(path);
  }
  await io.removeAll(loose);
}

/** Files of tables that were dropped longer ago than past snapshots are kept. */
async function sweepDropped(context: CatalogContext, dryRun: boolean): Promise<number> {
  const { clock, store, snapshotsAgeMaxMs } = context;
  const sql = "SELECT 1 FROM lake_commits WHERE kind = 'drop' LIMIT 1";
  const hasDropped = (await store.read(() => store.db.all(sql))).length > 0;
  if (snapshotsAgeMaxMs === null || !hasDropped) return 0;
  const { droppedFolders } = await import("./drop.ts");
  const nowMs = clock.nowMs();
  let files = 0;
  for (const dropped of await droppedFolders(context, nowMs - snapshotsAgeMaxMs)) {
    files += await queueLoose(context, { ...dropped, nowMs, isLoose: () => true, dryRun });
  }
  return files;
}

/** Folders of other tables within one, which another engine may have put there: `ns/t-1f2e3d4c/`. */
function foldersInside(
  context: CatalogContext,
  folder: string,
  pointers: readonly { readonly metadataLocation: string }[],
): readonly string[] {
  return pointers.flatMap(({ metadataLocation }) => {
    const place = metadataLocation.slice(0, metadataLocation.lastIndexOf("/metadata/") + 1);
    const path = insideRoot(place, context.store.recordedRoot);
    return path?.startsWith(`${folder}/`) === true && path !== `${folder}/` ? [path] : [];
  });
}

/**
 * Lets all files of a table that was dropped for good wait to be unlinked, each for the delay of its kind. Those
 * outside of its folder are not its own.
 */
export async function queuePurged(
  context: CatalogContext,
  { metadata }: Pick<TableVersion, "metadata">,
): Promise<void> {
  const { uuid, location } = metadata;
  const folder = insideRoot(location, context.store.recordedRoot);
  // Higher up are files of other tables, and of the lake itself.
  if (folder === null || folder.startsWith(".") || !/[^/]\/[^/]/.test(folder)) return;
  const pointers = await context.store.read(() => readPointers(context.store));
  const inside = foldersInside(context, folder, pointers);
  const isLoose = (path: string): boolean => !inside.some((other) => path.startsWith(other));
  const entry = { folder, location, uuid, nowMs: context.clock.nowMs(), isLoose };
  await queueLoose(context, { ...entry, dryRun: false, isYoungToo: true });
}

/** Folders of tables that no commit ever made: the attempt to make them died. */
async function sweepUnmade(context: CatalogContext, dryRun: boolean): Promise<number> {
  const { store, clock } = context;
  // A table that was registered, dropped and registered again has had several folders.
  const sql = `SELECT metadata_location FROM iceberg_tables WHERE metadata_location IS NOT NULL
    UNION SELECT max(metadata_location) FROM lake_commit_tables t GROUP BY table_uuid, ${folderSql("t")}`;
  const rows = await store.read(() => store.db.all(sql));
  const known = new Set<string>();
  const namespaces = new Set<string>();
  for (const row of rows) {
    // By the end of the path: a relocated lake's history may name another root.
    const [namespace, folder] = text(row, "metadata_location").split("/").slice(-4);
    if (namespace === undefined || namespace === "") continue;
    namespaces.add(namespace);
    known.add(`${namespace}/${folder}`);
  }
  const isLoose = (path: string): boolean => {
    const folder = TABLE_FOLDER.exec(path)?.[0];
    return folder !== undefined && !known.has(folder);
  };
  let files = 0;
  for (const folder of namespaces) {
    const location = recordedLocation(`${store.recordedRoot}/${folder}`);
    const entry = { folder, location, uuid: NO_TABLE, nowMs: clock.nowMs(), isLoose, dryRun };
    files += await queueLoose(context, entry);
  }
  return files;
}

interface LooseFiles {
  /** Relative to the root, and as it is recorded. */
  readonly folder: string;
  readonly location: string;
  readonly uuid: string;
  readonly nowMs: number;
  readonly isLoose: (path: string) => boolean;
  readonly dryRun: boolean;
  /** Also those that a commit under way may have written: there is none. */
  readonly isYoungToo?: boolean;
}

/** Lets files of a folder that nothing names wait to be unlinked, young ones aside. */
async function queueLoose(context: CatalogContext, options: LooseFiles): Promise<number> {
  const { folder, uuid, nowMs, isLoose, isYoungToo = false } = options;
  const bornBeforeMs = isYoungToo ? Number.POSITIVE_INFINITY : nowMs - UNLINK_DATA_AFTER_MS;
  const location = options.location.replace(/\/+$/, "");
  const loose: Record<UnlinkKind, string[]> = {
    metadata: [],
    "manifest-list": [],
    manifest: [],
    data: [],
  };
  let files = 0;
  for await (const file of context.io.list(folder)) {
    if (!isLoose(file.path) || file.modifiedMs > bornBeforeMs) continue;
    loose[kindOf(file.path)].push(`${location}${file.path.slice(folder.length)}`);
    files++;
  }
  if (files === 0 || options.dryRun) return files;
  const { store } = context;
  await store.write(() => {
    for (const kind of KINDS) queueUnlink(store, { kind, uuid, nowMs }, loose[kind]);
  });
  return files;
}

async function readDue(context: CatalogContext, leftBeforeMs: number): Promise<Waiting[]> {
  const { store, clock } = context;
  const sql = `SELECT location, kind, table_uuid FROM lake_unlink
    WHERE due_ms <= ? AND left_ms <= ? ORDER BY due_ms LIMIT ?`;
  const rows = await store.read(() =>
    store.db.all(sql, Math.trunc(clock.nowMs()), Math.trunc(leftBeforeMs), UNLINK_BATCH),
  );
  return rows.map((row) => ({
    location: text(row, "location"),
    kind: oneOf(row, "kind", KINDS),
    uuid: text(row, "table_uuid"),
  }));
}

/** What the tables of these files name now, as deep as their kinds need, and the tables that do not tell. */
async function namedPaths(
  context: CatalogContext,
  due: readonly Waiting[],
): Promise<{ readonly named: ReadonlySet<string>; readonly unknown: ReadonlySet<string> }> {
  const { store } = context;
  const named = new Set<string>();
  const unknown = new Set<string>();
  for (const { name } of await store.read(() => readPointers(store))) {
    const version = await readable(currentVersion(context, name));
    // A table whose metadata cannot be read may own any of the files.
    if (version === null) return { named, unknown: new Set(due.map((waiting) => waiting.uuid)) };
    // What belonged to no table may have become this one's.
    const uuids = [version.metadata.uuid, NO_TABLE];
    const own = due.filter((waiting) => uuids.includes(waiting.uuid));
    if (own.length === 0) continue;
    const paths = await readable(reachablePaths(context, version, depthFor(own)));
    if (paths === null) for (const uuid of uuids) unknown.add(uuid);
    for (const path of paths ?? []) named.add(path);
  }
  return { named, unknown };
}

function depthFor(waiting: readonly Waiting[]): Depth {
  if (waiting.some(({ kind }) => kind === "data")) return "data";
  return waiting.some(({ kind }) => kind === "manifest") ? "manifests" : "lists";
}

function kindOf(path: string): UnlinkKind {
  if (path.endsWith(".metadata.json")) return "metadata";
  return path.endsWith(".avro") ? "manifest" : "data";
}
