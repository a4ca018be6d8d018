/** What a catalog names: the files that a copy of it needs to be a lake. */

import { LakeError } from "../../core/base/errors.ts";
import type { TableName } from "../../core/table/types.ts";
import type { TableVersion } from "../iceberg/metadata.ts";
import { insideRoot } from "../iceberg/recorded-files.ts";
import type { CatalogContext } from "./context.ts";
import { int, text } from "./database.ts";
import { droppedTables } from "./drop.ts";
import { readPointers } from "./history.ts";
import { CATALOG_NAME } from "./lake-store.ts";

/** A file below the root. */
export interface NamedFile {
  /** Relative to the root. */
  readonly path: string;
  /** As whoever names it says; null where nobody does. */
  readonly sizeBytes: number | null;
  /** It may be gone already: nothing that can be read needs it. */
  readonly optional: boolean;
}

/** What stands in the way of naming all files of a table. */
export interface Unreadable {
  readonly table: TableName;
  readonly cause: unknown;
}

export interface NamedFiles {
  readonly files: readonly NamedFile[];
  readonly unreadable: readonly Unreadable[];
  /** Tables with files outside of the root, which are not among `files`. */
  readonly outside: readonly TableName[];
  readonly tables: number;
}

/** Every file that the catalog of `context` names, each once. A table that cannot be read keeps no other from it. */
export async function namedFiles(context: CatalogContext): Promise<NamedFiles> {
  const { store } = context;
  const pointers = await store.read(() => readPointers(store));
  const found = new Found(context);
  for (const { name, metadataLocation } of pointers) {
    await found.table({ name, metadataLocation, optional: false });
  }
  for (const { name, metadataLocation } of await droppedTables(context)) {
    await found.table({ name, metadataLocation, optional: true });
  }
  await found.views();
  await found.originals();
  const { unreadable, outside } = found;
  const files = [...found.fileByPath.values()];
  return { files, unreadable, outside: [...outside], tables: pointers.length };
}

interface Named {
  readonly name: TableName;
  readonly metadataLocation: string;
  readonly optional: boolean;
}

class Found {
  readonly fileByPath = new Map<string, NamedFile>();
  readonly unreadable: Unreadable[] = [];
  readonly outside = new Set<TableName>();
  readonly #context: CatalogContext;

  constructor(context: CatalogContext) {
    this.#context = context;
  }

  async table(named: Named): Promise<void> {
    const { name, metadataLocation } = named;
    if (this.#inside(metadataLocation) === null) {
      this.outside.add(name);
      return;
    }
    try {
      await this.#version(named, await this.#context.metadata.load(metadataLocation));
    } catch (thrown) {
      if (!(thrown instanceof LakeError)) throw thrown;
      if (!named.optional) this.unreadable.push({ table: name, cause: thrown });
    }
  }

  async views(): Promise<void> {
    const { store } = this.#context;
    const sql = `SELECT metadata_location FROM iceberg_tables
      WHERE catalog_name = ? AND iceberg_type = 'VIEW' AND metadata_location IS NOT NULL`;
    for (const row of await store.read(() => store.db.all(sql, CATALOG_NAME))) {
      const path = this.#inside(text(row, "metadata_location"));
      if (path !== null) this.#add({ path, sizeBytes: null, optional: false });
    }
  }

  /** Of forgotten files they may be gone, and so may those of a batch that stands for others. */
  async originals(): Promise<void> {
    const { store } = this.#context;
    const sql = `SELECT f.original, min(f.size_bytes) AS least, max(f.size_bytes) AS most,
        max(b.withdrawn_by IS NULL AND NOT EXISTS (SELECT 1 FROM lake_replaced r
          JOIN lake_batches s ON s.batch = r.by_batch JOIN lake_commits k ON k.number = s.commit_number
          WHERE r.batch = f.batch AND r.file = f.file AND k.kind = 'forget')) AS needed
      FROM lake_files f JOIN lake_batches b USING (batch)
      WHERE f.original IS NOT NULL AND b.commit_number IS NOT NULL GROUP BY f.original`;
    for (const row of await store.read(() => store.db.all(sql))) {
      const path = text(row, "original");
      this.#add({ path, sizeBytes: null, optional: int(row, "needed") === 0 });
    }
  }

  async #version({ name, optional }: Named, version: TableVersion): Promise<void> {
    const { manifests } = this.#context;
    const { metadata, metadataLocation } = version;
    const add = (location: string, size: bigint | null, isOptional = optional): void => {
      const path = this.#inside(location);
      if (path === null) this.outside.add(name);
      else
        this.#add({ path, sizeBytes: size === null ? null : Number(size), optional: isOptional });
    };
    add(metadataLocation, null);
    for (const { metadataFile } of metadata.metadataLog) add(metadataFile, null, true);
    for (const entry of [...metadata.statistics, ...metadata.partitionStatistics]) {
      const path = entry["statistics-path"];
      if (typeof path === "string") add(path, null);
    }
    const seen = new Set<string>();
    for (const snapshot of metadata.snapshots) {
      if (snapshot.manifestList !== "") add(snapshot.manifestList, null);
      for (const manifest of await manifests.list(snapshot)) {
        if (seen.has(manifest.path)) continue;
        seen.add(manifest.path);
        // An early v1 snapshot names manifests without their sizes.
        add(manifest.path, manifest.lengthBytes > 0n ? manifest.lengthBytes : null);
        for (const entry of await manifests.entries(manifest, metadata)) {
          // A deleted entry's file may be live in an earlier snapshot, which names it itself.
          if (entry.status !== "deleted") add(entry.file.path, entry.file.sizeBytes);
        }
      }
    }
  }

  #add(file: NamedFile): void {
    const known = this.fileByPath.get(file.path);
    if (known === undefined || (known.optional && !file.optional)) {
      this.fileByPath.set(file.path, file);
    }
  }

  #inside(location: string): string | null {
    return insideRoot(location, this.#context.store.recordedRoot);
  }
}
