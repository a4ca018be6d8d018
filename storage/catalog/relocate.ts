/** A moved or copied lake becomes one of its own: its metadata is rewritten for the folder it lies in. */

import { realpathSync } from "node:fs";
import { LakeError } from "../../core/base/errors.ts";
import { isJsonObject, type JsonObject } from "../../core/base/json.ts";
import type { Clock, FileIO, Random } from "../../core/ports.ts";
import { FILE_PATH_ID } from "../../core/table/system-columns.ts";
import type { Snapshot, TableName } from "../../core/table/types.ts";
import { readAvro, writeAvro } from "../avro/container.ts";
import type { AvroRecord, AvroValue } from "../avro/values.ts";
import { EngineLease } from "../disk/lease.ts";
import { LocalFiles } from "../disk/local.ts";
import {
  parseMetadata,
  serializeMetadata,
  type TableMetadata,
  type TableVersion,
} from "../iceberg/metadata.ts";
import { applyUpdates } from "../iceberg/metadata-update.ts";
import { metadataFolder, recordedLocation, relativePath } from "../iceberg/recorded-files.ts";
import type { Update } from "../iceberg/table-commit.ts";
import { nextMetadataLocation } from "../iceberg/transaction.ts";
import type { MovedDeletes } from "../parquet/position-deletes.ts";
import { type Pointer, partsOf, readPointers } from "./history.ts";
import { CATALOG_NAME, checkPlace, LakeStore } from "./lake-store.ts";
import { moveHead, toHead } from "./publish.ts";

export interface RelocateOptions {
  /** Where the lake lies now; it holds catalog.db. */
  readonly root: string;
  readonly clock: Clock;
  readonly random: Random;
}

export interface Relocated {
  readonly lakeId: string;
  readonly from: string;
  readonly to: string;
  readonly tables: number;
  /** Manifests and manifest lists written anew. */
  readonly files: number;
}

/**
 * Rewrites metadata, manifest lists and manifests under the present root, then moves all pointers, the root and a
 * new lake id in one transaction. Position deletes, which hold paths, are written anew beside the old ones; data files
 * are not touched, and nothing at the old root is read or written. Dying on the way leaves the lake as it was. Throws
 * `usage` when it was not moved, `locked` while an engine runs on it.
 */
export async function relocateLake(options: RelocateOptions): Promise<Relocated> {
  const { clock, random } = options;
  const root = realpathSync(options.root);
  checkPlace(root);
  const nowMs = clock.nowMs();
  const lease = EngineLease.take({ root, pid: process.pid, command: "tarn relocate", nowMs });
  try {
    const io = await LocalFiles.open({ root, random });
    const store = await LakeStore.open({ root, readonly: false, busyTimeoutMs: 0, clock, random });
    try {
      return await relocateStore(store, io, random);
    } finally {
      store.db.close();
    }
  } finally {
    lease.release();
  }
}

async function relocateStore(store: LakeStore, io: FileIO, random: Random): Promise<Relocated> {
  const { root: to, recordedRoot: from } = store;
  if (from === to) {
    throw new LakeError("usage", `this lake was made at ${to} and still lies there`, {
      hint: "relocate is for a lake that was moved or copied to another folder",
    });
  }
  const pointers = await store.read(() => readPointers(store));
  const move = new LakeMove(io, random, from, to);
  const moved: Moved[] = [];
  for (const pointer of pointers) moved.push({ pointer, version: await move.table(pointer) });
  const { moveViews, publishViews } = await import("./view-move.ts");
  const views = await moveViews(store, io, random);
  const lakeId = random.uuid();
  await store.db.write(() => {
    publishMove(store, lakeId, moved);
    publishViews(store, views);
  });
  return { lakeId, from, to, tables: moved.length, files: move.files };
}

interface Moved {
  readonly pointer: Pointer;
  readonly version: TableVersion;
}

/** In the caller's transaction; the guard of ordinary writes would refuse it. */
function publishMove(store: LakeStore, lakeId: string, moved: readonly Moved[]): void {
  const { db } = store;
  for (const { pointer, version } of moved) {
    const { namespace, table } = partsOf(pointer.name);
    const sql = `UPDATE iceberg_tables SET metadata_location = ?, previous_metadata_location = NULL
      WHERE catalog_name = ? AND table_namespace = ? AND table_name = ? AND metadata_location = ?`;
    const { metadataLocation } = version;
    const changed = db.run(
      sql,
      metadataLocation,
      CATALOG_NAME,
      namespace,
      table,
      pointer.metadataLocation,
    );
    if (changed !== 1) throw changedMeanwhile(pointer.name);
    // A foreign commit not yet entered stays one: the head of before does not match it.
    if (pointer.head !== null) moveHead(store, toHead(pointer.name, version));
  }
  const meta = "UPDATE lake_meta SET value = ? WHERE key = ?";
  db.run(meta, store.root, "root");
  db.run(meta, lakeId, "lake_id");
  // These name files and processes of the other place.
  db.run("DELETE FROM lake_unlink");
  db.run("DELETE FROM lake_read_leases");
}

/** Rewrites one file after the other, each at most once. */
class LakeMove {
  readonly #io: FileIO;
  readonly #random: Random;
  readonly #from: string;
  readonly #to: string;
  readonly #marksByOld = new Map<string, Rewritten & Pick<MovedDeletes, "lower" | "upper">>();
  files = 0;

  constructor(io: FileIO, random: Random, from: string, to: string) {
    this.#io = io;
    this.#random = random;
    this.#from = from;
    this.#to = to;
  }

  async table(pointer: Pointer): Promise<TableVersion> {
    const bytes = await this.#io.read(relativePath(pointer.metadataLocation, this.#from));
    const metadata = parseMetadata(bytes, pointer.metadataLocation);
    const location = this.#moved(metadata.location);
    const manifestByOld = new Map<string, Rewritten>();
    const snapshots: TableMetadata["snapshots"][number][] = [];
    for (const snapshot of metadata.snapshots) {
      const manifestList = await this.#list(pointer.name, snapshot, { location }, manifestByOld);
      snapshots.push({ ...snapshot, manifestList });
    }
    const updates: Update[] = [
      { kind: "set-location", location },
      ...metadata.statistics.map((entry): Update => {
        return { kind: "set-statistics", statistics: this.#statistics(entry) };
      }),
      ...metadata.partitionStatistics.map((entry): Update => {
        return { kind: "set-partition-statistics", statistics: this.#statistics(entry) };
      }),
    ];
    // The spec has no update for the list of a snapshot that is there; earlier metadata files speak of the old place.
    const start: TableMetadata = { ...metadata, snapshots, metadataLog: [] };
    const next = applyUpdates(start, updates, { nowMs: metadata.lastUpdatedMs });
    const base = { metadata, metadataLocation: pointer.metadataLocation };
    const metadataLocation = nextMetadataLocation(base, next, this.#random.uuid());
    await this.#write(metadataLocation, serializeMetadata(next));
    return { metadata: next, metadataLocation };
  }

  async #list(
    table: TableName,
    snapshot: Snapshot,
    place: Pick<TableMetadata, "location">,
    manifestByOld: Map<string, Rewritten>,
  ): Promise<string> {
    if (snapshot.manifestList === "") {
      throw new LakeError("unsupported", `${table} has a snapshot of format v1 without a list`, {
        hint: "rewrite its manifests with the engine that made it, then relocate",
      });
    }
    const file = await this.#readAvro(snapshot.manifestList);
    const records: AvroRecord[] = [];
    for (const record of file.records) {
      const old = textOf(record, "manifest_path");
      const known = manifestByOld.get(old) ?? (await this.#manifest(old, place));
      manifestByOld.set(old, known);
      const { path, length } = known;
      records.push({ ...record, manifest_path: path, manifest_length: length });
    }
    const name = `snap-${snapshot.snapshotId}-1-${this.#random.uuid()}.avro`;
    const location = `${metadataFolder(place)}/${name}`;
    await this.#write(location, writeAvro(file.schema, ownMetadata(file.metadata), records));
    return location;
  }

  async #manifest(old: string, place: Pick<TableMetadata, "location">): Promise<Rewritten> {
    const file = await this.#readAvro(old);
    const records: AvroRecord[] = [];
    for (const record of file.records) {
      const data = record.data_file;
      if (!isRecord(data)) throw new LakeError("corrupt", `${old} has an entry without a file`);
      const isMarks = Number(data.content ?? 0) === 1;
      const moved = isMarks ? await this.#marks(data) : this.#movedFile(data);
      records.push({ ...record, data_file: moved });
    }
    const path = `${metadataFolder(place)}/${this.#random.uuid()}-m0.avro`;
    const bytes = writeAvro(file.schema, ownMetadata(file.metadata), records);
    await this.#write(path, bytes);
    return { path, length: BigInt(bytes.byteLength) };
  }

  #movedFile(data: AvroRecord): AvroRecord {
    return { ...data, file_path: this.#moved(textOf(data, "file_path")) };
  }

  /** An entry of a position delete file, which is written anew. */
  async #marks(data: AvroRecord): Promise<AvroRecord> {
    const old = textOf(data, "file_path");
    const made = this.#marksByOld.get(old) ?? (await this.#moveMarks(old));
    this.#marksByOld.set(old, made);
    const { path, length, lower, upper } = made;
    const about = data.referenced_data_file;
    return {
      ...data,
      file_path: path,
      file_size_in_bytes: length,
      lower_bounds: boundOfPath(data.lower_bounds, lower),
      upper_bounds: boundOfPath(data.upper_bounds, upper),
      ...(typeof about === "string" ? { referenced_data_file: this.#moved(about) } : {}),
    };
  }

  async #moveMarks(old: string): Promise<Rewritten & Pick<MovedDeletes, "lower" | "upper">> {
    const relative = relativePath(old, this.#from);
    const bytes = await this.#io.read(relative);
    const { moveDeletes } = await import("../parquet/position-deletes.ts");
    const moved = await moveDeletes(bytes, (path) => this.#moved(path), relative);
    const folder = relative.slice(0, relative.lastIndexOf("/"));
    const path = recordedLocation(`${this.#to}/${folder}/${this.#random.uuid()}.parquet`);
    await this.#write(path, moved.bytes);
    const { lower, upper } = moved;
    return { path, length: BigInt(moved.bytes.byteLength), lower, upper };
  }

  async #readAvro(location: string): Promise<ReturnType<typeof readAvro>> {
    return readAvro(await this.#io.read(relativePath(location, this.#from)), location);
  }

  async #write(location: string, bytes: Uint8Array): Promise<void> {
    this.files++;
    await this.#io.createAll([{ path: relativePath(location, this.#to), bytes }]);
  }

  #moved(location: string): string {
    return recordedLocation(`${this.#to}/${relativePath(location, this.#from)}`);
  }

  #statistics(entry: JsonObject): JsonObject {
    const path = entry["statistics-path"];
    return typeof path === "string" ? { ...entry, "statistics-path": this.#moved(path) } : entry;
  }
}

const UTF8 = new TextEncoder();

interface Rewritten {
  readonly path: string;
  readonly length: bigint;
}

/** Header entries to carry over; the writer adds schema and codec itself. */
function ownMetadata(metadata: ReadonlyMap<string, string>): ReadonlyMap<string, string> {
  return new Map([...metadata].filter(([key]) => !key.startsWith("avro.")));
}

function isRecord(value: AvroValue | undefined): value is AvroRecord {
  return isJsonObject(value) && !(value instanceof Map) && !(value instanceof Uint8Array);
}

function textOf(record: AvroRecord, field: string): string {
  const value = record[field];
  if (typeof value === "string") return value;
  throw new LakeError("corrupt", `a manifest names no ${field}`);
}

/** Bounds with another one of the path that deletes are about, where there is one. */
function boundOfPath(bounds: AvroValue | undefined, path: string): AvroValue {
  if (!Array.isArray(bounds)) return bounds ?? null;
  return bounds.map((pair: AvroValue) =>
    isRecord(pair) && Number(pair.key) === FILE_PATH_ID
      ? { ...pair, value: UTF8.encode(path) }
      : pair,
  );
}

function changedMeanwhile(table: TableName): LakeError {
  return new LakeError("conflict", `${table} was changed while the lake was relocated`, {
    hint: "end the other program and run it again; nothing was changed",
  });
}
