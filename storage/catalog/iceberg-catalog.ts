/**
 * The lake's catalog as other engines know one: namespaces, tables and views in Iceberg's own words, with what the
 * REST catalog answers for each. It says what is so, and refuses in `refusal`s; who may do what is its caller's to say.
 */

import { must } from "../../core/base/assert.ts";
import { LakeError } from "../../core/base/errors.ts";
import { compareCodePoints } from "../../core/base/order.ts";
import { isNamePart } from "../../core/table/name.ts";
import type { TableName } from "../../core/table/types.ts";
import { metadataText, parseMetadata, type TableVersion } from "../iceberg/metadata.ts";
import { type AskedTable, newTableUpdates } from "../iceberg/new-table.ts";
import { metadataFolder, relativePath } from "../iceberg/recorded-files.ts";
import { stageCommit } from "../iceberg/transaction.ts";
import type { ViewUpdate } from "../iceberg/view.ts";
import { currentVersion } from "./commit.ts";
import type { CatalogContext } from "./context.ts";
import { text } from "./database.ts";
import { type AskedCommit, commitForeign, type ForeignOptions, worded } from "./foreign-commit.ts";
import { partsOf, readPointer } from "./history.ts";
import { type Idempotency, setDone, wasDone } from "./idempotency.ts";
import { CATALOG_NAME } from "./lake-store.ts";
import {
  createNamespace,
  dropNamespace,
  hasNamespace,
  listNamespaces,
  loadNamespace,
  namespaceExists,
  namespaceOf,
  type Properties,
  type UpdatedProperties,
  updateNamespace,
} from "./namespaces.ts";
import { noSuchNamespace, noSuchTable, refusal } from "./refusal.ts";
import { insideLake, type Places, placeOf } from "./table-place.ts";
import { registerTable, renameTable, renameView, type Told } from "./table-rename.ts";
import { queuePurged } from "./unlink.ts";
import { isView, readViewNames } from "./view-pointers.ts";
import {
  type AskedView,
  commitView,
  createView,
  dropView,
  type LoadedView,
  loadView,
  registerView,
} from "./views.ts";

/** What a client is told of a table. */
export interface Loaded {
  /** Null for one that is not there yet. */
  readonly metadataLocation: string | null;
  /** JSON of the metadata, as it is stored. */
  readonly metadata: string;
}

export interface AskedTableOf extends Omit<AskedTable, "uuid" | "location"> {
  /** Null: the catalog chooses. */
  readonly location: string | null;
}

type Guard = ForeignOptions["guard"];

export class IcebergCatalog {
  readonly #context: CatalogContext;
  readonly #places: Places;

  constructor(context: CatalogContext, places: Places) {
    this.#context = context;
    this.#places = places;
  }

  async namespaces(parent: readonly string[] | null): Promise<readonly string[]> {
    return await listNamespaces(this.#context.store, parent?.join(".") ?? null);
  }

  async hasNamespace(levels: readonly string[]): Promise<boolean> {
    return await namespaceExists(this.#context.store, levels.join("."));
  }

  async namespace(levels: readonly string[]): Promise<Properties> {
    return await loadNamespace(this.#context.store, levels.join("."));
  }

  async createNamespace(levels: readonly string[], properties: Properties): Promise<Properties> {
    const namespace = namespaceOf(levels);
    const { location } = properties;
    if (location !== undefined && this.#isOutside(location)) {
      throw refusal(
        "BadRequestException",
        `Invalid location: ${location} lies outside of the lake`,
      );
    }
    await createNamespace(this.#context.store, namespace, properties);
    return await loadNamespace(this.#context.store, namespace);
  }

  async dropNamespace(levels: readonly string[]): Promise<void> {
    await dropNamespace(this.#context.store, levels.join("."));
  }

  async updateNamespace(
    levels: readonly string[],
    updates: Properties,
    removals: readonly string[],
  ): Promise<UpdatedProperties> {
    return await updateNamespace(this.#context.store, levels.join("."), updates, removals);
  }

  /** Names of a namespace's tables, without it. Throws where there is no such namespace. */
  async tables(levels: readonly string[]): Promise<readonly string[]> {
    const { store } = this.#context;
    const namespace = levels.join(".");
    const sql = `SELECT table_name FROM iceberg_tables WHERE catalog_name = ?
      AND table_namespace = ? AND (iceberg_type = 'TABLE' OR iceberg_type IS NULL)`;
    return await store.read(() => {
      if (!hasNamespace(store.db, namespace)) throw noSuchNamespace(namespace);
      const rows = store.db.all(sql, CATALOG_NAME, namespace);
      return rows.map((row) => text(row, "table_name")).sort(compareCodePoints);
    });
  }

  /** Recorded location of a table's metadata. Throws where there is none. */
  async pointer(name: TableName): Promise<string> {
    const { store } = this.#context;
    const pointer = await store.look(() => readPointer(store, name));
    if (pointer === null) throw noSuchTable(name);
    return pointer.metadataLocation;
  }

  /** True where the file of a pointer is there. */
  async isStored(metadataLocation: string): Promise<boolean> {
    const { io, store } = this.#context;
    return (await io.stat(relativePath(metadataLocation, store.recordedRoot))) !== null;
  }

  /** Throws where there is none, or its metadata is gone. */
  async table(name: TableName): Promise<Loaded> {
    const metadataLocation = await this.pointer(name);
    const metadata = metadataText(await this.#stored(metadataLocation));
    return { metadataLocation, metadata };
  }

  /** The version of a table that is parsed. Throws as `table`. */
  async version(name: TableName): Promise<TableVersion> {
    const version = await currentVersion(this.#context, name);
    if (version === null) throw noSuchTable(name);
    return version;
  }

  /** A table as it would be made, of which nothing is kept. */
  async stageTable(name: TableName, asked: AskedTableOf): Promise<Loaded> {
    const commit = await this.#newTable(name, asked);
    const at = { metadataUuid: this.#context.random.uuid(), nowMs: this.#context.clock.nowMs() };
    const { files, metadata } = worded(() => stageCommit(null, commit, at, name));
    // DuckDB writes into it before it commits, and makes no folder itself.
    const folder = insideLake(this.#context.store, metadataFolder(metadata));
    if (folder !== null) await this.#context.io.makeFolder(folder);
    return { metadataLocation: null, metadata: metadataText(files[0]?.bytes ?? "") };
  }

  async createTable(
    name: TableName,
    asked: AskedTableOf,
    guard: Guard,
    once: Idempotency | null,
  ): Promise<Loaded> {
    if (once !== null && (await this.#wasDone(once))) return await this.table(name);
    const commit = await this.#newTable(name, asked);
    try {
      const [made] = await this.commit([{ name, commit }], guard, once);
      return must(made, "one table was asked for");
    } catch (thrown) {
      // Between the look and the commit another was first.
      if (await this.#isTable(name)) throw tableExists(name);
      throw thrown;
    }
  }

  /** One transaction over all of them; what was done before under its key is not done again. */
  async commit(
    asked: readonly AskedCommit[],
    guard: Guard,
    once: Idempotency | null,
  ): Promise<readonly Loaded[]> {
    const { store, clock } = this.#context;
    if (once !== null && (await this.#wasDone(once))) {
      return await Promise.all(asked.map(({ name }) => this.table(name)));
    }
    for (const { name, commit } of asked) {
      if (commit.requirements.some(({ kind }) => kind === "assert-create")) checkName(name);
    }
    const message = `${asked.map(({ name }) => name).join(", ")} by another engine`;
    const also = (): void => {
      if (once !== null) setDone(store, once, clock.nowMs());
    };
    const options = { message, places: this.#places, guard, also };
    const versions = await commitForeign(this.#context, asked, options);
    const loaded: Loaded[] = [];
    for (const { metadataLocation } of versions) {
      const metadata = metadataText(await this.#stored(metadataLocation));
      loaded.push({ metadataLocation, metadata });
    }
    return loaded;
  }

  /** Makes a table of metadata that is in the lake already. */
  async registerTable(
    name: TableName,
    metadataLocation: string,
    message = `${name} registered by another engine`,
  ): Promise<Loaded> {
    checkName(name);
    this.#checkInside(metadataLocation);
    const bytes = await this.#stored(metadataLocation);
    const metadata = worded(() => parseMetadata(bytes, metadataLocation));
    await registerTable(this.#context, name, { metadata, metadataLocation }, message);
    return { metadataLocation, metadata: metadataText(bytes) };
  }

  async renameTable(from: TableName, to: TableName, told?: Told): Promise<bigint | null> {
    checkName(to);
    return await renameTable(this.#context, from, to, told);
  }

  /** Lets the files of a table that was dropped go for good. */
  async purge(version: TableVersion): Promise<void> {
    await queuePurged(this.#context, version);
  }

  /** Names of a namespace's views, without it. Throws where there is no such namespace. */
  async views(levels: readonly string[]): Promise<readonly string[]> {
    const { store } = this.#context;
    const namespace = levels.join(".");
    return await store.read(() => {
      if (!hasNamespace(store.db, namespace)) throw noSuchNamespace(namespace);
      return readViewNames(store, namespace);
    });
  }

  async hasView(name: TableName): Promise<boolean> {
    const { store } = this.#context;
    return await store.look(() => isView(store, name));
  }

  async view(name: TableName): Promise<LoadedView> {
    return await loadView(this.#context, name);
  }

  async createView(name: TableName, asked: AskedView): Promise<LoadedView> {
    checkName(name);
    return await createView(this.#context, name, asked, this.#places);
  }

  /** Makes a view of metadata that is in the lake already. */
  async registerView(name: TableName, metadataLocation: string): Promise<LoadedView> {
    checkName(name);
    this.#checkInside(metadataLocation);
    return await registerView(this.#context, name, metadataLocation);
  }

  /** Updates of a view that must be the one with each of `uuids`. */
  async commitView(
    name: TableName,
    uuids: readonly string[],
    updates: readonly ViewUpdate[],
  ): Promise<LoadedView> {
    return await commitView(this.#context, name, uuids, updates, this.#places);
  }

  async dropView(name: TableName): Promise<void> {
    await dropView(this.#context, name);
  }

  async renameView(from: TableName, to: TableName): Promise<void> {
    checkName(to);
    await renameView(this.#context.store, from, to);
  }

  async #newTable(name: TableName, asked: AskedTableOf): Promise<AskedCommit["commit"]> {
    checkName(name);
    const { store, random } = this.#context;
    const { namespace } = partsOf(name);
    if (!(await namespaceExists(store, namespace))) throw noSuchNamespace(namespace);
    if (await this.#isTable(name)) throw tableExists(name);
    if (await store.look(() => isView(store, name))) {
      throw refusal("AlreadyExistsException", `View with same name already exists: ${name}`);
    }
    const uuid = random.uuid();
    const location = await placeOf(this.#context, name, uuid, asked.location, this.#places);
    const updates = worded(() => newTableUpdates({ ...asked, uuid, location }));
    return { requirements: [{ kind: "assert-create" }], updates };
  }

  async #wasDone(once: Idempotency): Promise<boolean> {
    const { store, clock } = this.#context;
    return await wasDone(store, once, clock.nowMs());
  }

  async #isTable(name: TableName): Promise<boolean> {
    const { store } = this.#context;
    return (await store.look(() => readPointer(store, name))) !== null;
  }

  async #stored(location: string): Promise<Uint8Array> {
    const { io, store } = this.#context;
    try {
      return await io.read(relativePath(location, store.recordedRoot));
    } catch (thrown) {
      if (!(thrown instanceof LakeError) || thrown.code !== "not-found") throw thrown;
      const message = `Failed to open input stream for file: ${location}`;
      throw refusal("NotFoundException", message, thrown);
    }
  }

  #checkInside(metadataLocation: string): void {
    if (insideLake(this.#context.store, metadataLocation) !== null) return;
    const why = `${metadataLocation} lies outside of the lake`;
    throw refusal("BadRequestException", `Invalid metadata location: ${why}`);
  }

  #isOutside(location: string): boolean {
    return this.#places === "lake" && insideLake(this.#context.store, location) === null;
  }
}

function tableExists(name: TableName): LakeError {
  return refusal("AlreadyExistsException", `Table already exists: ${name}`);
}

/** A name that we would give a table ourselves. */
function checkName(name: TableName): void {
  const { namespace, table } = partsOf(name);
  namespaceOf(namespace.split("."));
  if (isNamePart(table)) return;
  throw refusal("BadRequestException", `Invalid name: "${table}" cannot be the name of a table`);
}
