/** A table under another folder: its metadata, manifest lists and manifests written anew, with other paths in them. */

import { LakeError } from "../../core/base/errors.ts";
import { isJsonObject, type JsonObject } from "../../core/base/json.ts";
import type { FileIO, Random } from "../../core/ports.ts";
import { FILE_PATH_ID } from "../../core/table/system-columns.ts";
import type { Snapshot, TableName } from "../../core/table/types.ts";
import { readAvro, writeAvro } from "../avro/container.ts";
import type { AvroRecord, AvroValue } from "../avro/values.ts";
import {
  parseMetadata,
  serializeMetadata,
  type TableMetadata,
  type TableVersion,
} from "../iceberg/metadata.ts";
import { applyUpdates } from "../iceberg/metadata-update.ts";
import {
  absolutePath,
  metadataFolder,
  recordedLocation,
  relativePath,
} from "../iceberg/recorded-files.ts";
import type { Update } from "../iceberg/table-commit.ts";
import { nextMetadataLocation } from "../iceberg/transaction.ts";
import type { MovedDeletes } from "../parquet/position-deletes.ts";
import type { Pointer } from "./history.ts";

export interface MovePlaces {
  /** Where recorded locations of `from` are read: relative to its root. */
  readonly reads: FileIO;
  readonly writes: FileIO;
  /** Recorded root of `writes`. */
  readonly root: string;
  /** Absolute folders, as locations have them before and after. */
  readonly from: string;
  readonly to: string;
}

/** A file that is not written anew: where it is, and where it will be named. */
export interface MovedFile {
  /** Relative to the folder that is left. */
  readonly path: string;
  /** Recorded. */
  readonly location: string;
}

/** Rewrites one file after the other, each at most once. */
export class TableMove {
  readonly #places: MovePlaces;
  readonly #random: Random;
  readonly #from: string;
  readonly #to: string;
  readonly #untouched = new Map<string, MovedFile>();
  readonly #marksByOld = new Map<string, Rewritten & Pick<MovedDeletes, "lower" | "upper">>();
  files = 0;

  constructor(places: MovePlaces, random: Random) {
    this.#places = places;
    this.#random = random;
    this.#from = places.from;
    this.#to = places.to;
  }

  /** Data files and statistics, which are named anew as they are. */
  get untouched(): readonly MovedFile[] {
    return [...this.#untouched.values()];
  }

  async table(pointer: Pick<Pointer, "name" | "metadataLocation">): Promise<TableVersion> {
    const bytes = await this.#places.reads.read(relativePath(pointer.metadataLocation, this.#from));
    const metadata = parseMetadata(bytes, pointer.metadataLocation);
    const isWhole = absolutePath(metadata.location).replace(/\/+$/, "") === this.#from;
    const location = isWhole ? recordedLocation(this.#to) : this.#moved(metadata.location);
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
        hint: "rewrite its manifests with the engine that made it, then do it again",
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
    return { ...data, file_path: this.#kept(textOf(data, "file_path")) };
  }

  /** An entry of a position delete file, which is written anew. */
  async #marks(data: AvroRecord): Promise<AvroRecord> {
    const old = textOf(data, "file_path");
    const isPuffin = String(data.file_format).toLowerCase() === "puffin";
    const known = this.#marksByOld.get(old);
    const made = known ?? (await (isPuffin ? this.#moveVectors(old) : this.#moveMarks(old)));
    this.#marksByOld.set(old, made);
    const { path, length, lower, upper } = made;
    const about = data.referenced_data_file;
    // Each vector stays where it is in its file.
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
    const bytes = await this.#places.reads.read(relative);
    const { moveDeletes } = await import("../parquet/position-deletes.ts");
    const moved = await moveDeletes(bytes, (path) => this.#moved(path), relative);
    const folder = relative.slice(0, relative.lastIndexOf("/"));
    const path = recordedLocation(`${this.#to}/${folder}/${this.#random.uuid()}.parquet`);
    await this.#write(path, moved.bytes);
    const { lower, upper } = moved;
    return { path, length: BigInt(moved.bytes.byteLength), lower, upper };
  }

  async #moveVectors(old: string): Promise<Rewritten & Pick<MovedDeletes, "lower" | "upper">> {
    const relative = relativePath(old, this.#from);
    const bytes = await this.#places.reads.read(relative);
    const { movePuffin } = await import("../../core/table/deletion-vector.ts");
    const moved = movePuffin(bytes, (path) => this.#moved(path), relative);
    const folder = relative.slice(0, relative.lastIndexOf("/"));
    const name = `${this.#random.uuid()}-deletes.puffin`;
    const path = recordedLocation(`${this.#to}/${folder}/${name}`);
    await this.#write(path, moved);
    return { path, length: BigInt(moved.byteLength), lower: "", upper: "" };
  }

  async #readAvro(location: string): Promise<ReturnType<typeof readAvro>> {
    return readAvro(await this.#places.reads.read(relativePath(location, this.#from)), location);
  }

  async #write(location: string, bytes: Uint8Array): Promise<void> {
    this.files++;
    const { writes, root } = this.#places;
    await writes.createAll([{ path: relativePath(location, root), bytes }]);
  }

  #moved(location: string): string {
    return recordedLocation(`${this.#to}/${relativePath(location, this.#from)}`);
  }

  #kept(location: string): string {
    const moved = this.#moved(location);
    this.#untouched.set(moved, { path: relativePath(location, this.#from), location: moved });
    return moved;
  }

  #statistics(entry: JsonObject): JsonObject {
    const path = entry["statistics-path"];
    return typeof path === "string" ? { ...entry, "statistics-path": this.#kept(path) } : entry;
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
