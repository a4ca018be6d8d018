/**
 * Tables as a transaction has them: what it looked at, with what its statements did since, staged and not published. A
 * statement outside of BEGIN is a transaction of its own.
 */

import { must } from "../../core/base/assert.ts";
import { LakeError } from "../../core/base/errors.ts";
import type { Binding, StagedFile, TableRef, Written } from "../../core/engine.ts";
import type { FormatVersion, TableSpec } from "../../core/table/commit.ts";
import { highestId } from "../../core/table/evolution.ts";
import { everyFile, fileKey } from "../../core/table/live.ts";
import { UNPARTITIONED } from "../../core/table/partition.ts";
import { refuseLineageNames } from "../../core/table/system-columns.ts";
import type {
  DataFile,
  PartitionSpec,
  Scan,
  Schema,
  SortOrder,
  Table,
  TableName,
} from "../../core/table/types.ts";
import { momentIn } from "../../core/table/version-ref.ts";
import type { TableWrite } from "../../core/table/write.ts";
import type { ChangeKind, LakeWriter } from "./lake-writer.ts";

export const UNSORTED: SortOrder = { orderId: 0, fields: [] };

/** A table within a transaction. */
export class PendingTable {
  readonly name: TableName;
  readonly uuid: string;
  /** Null: the transaction makes it. */
  readonly base: Table | null;
  readonly #before: Scan;
  #scan: Scan;
  #schema: Schema;
  #spec: PartitionSpec;
  #sortOrder: SortOrder;
  #lastColumnId: number;
  #properties: Readonly<Record<string, string | null>> = {};
  readonly #staged = new Map<string, StagedFile>();
  /** What it was upgraded to. */
  #formatVersion: FormatVersion | null = null;
  #isBlind = true;

  constructor(
    name: TableName,
    uuid: string,
    base: Table | null,
    scan: Scan,
    made: Omit<TableSpec, "formatVersion">,
  ) {
    this.name = name;
    this.uuid = uuid;
    this.base = base;
    this.#before = scan;
    this.#scan = scan;
    this.#schema = made.schema;
    this.#spec = made.spec;
    this.#sortOrder = made.sortOrder;
    this.#properties = base === null ? made.properties : {};
    this.#lastColumnId = base?.lastColumnId ?? highestId(made.schema);
  }

  /** What it holds by now. */
  get scan(): Scan {
    const hasLineage = this.formatVersion === 3;
    return { ...this.#scan, schema: this.#schema, ...(hasLineage ? { hasLineage } : {}) };
  }
  get schema(): Schema {
    return this.#schema;
  }
  get spec(): PartitionSpec {
    return this.#spec;
  }
  get sortOrder(): SortOrder {
    return this.#sortOrder;
  }
  get formatVersion(): number {
    return this.#formatVersion ?? this.base?.formatVersion ?? 2;
  }
  get lastColumnId(): number {
    return this.#lastColumnId;
  }

  /** A property as it is by now. */
  property(name: string): string | null {
    const own = this.#properties[name];
    return own === undefined ? (this.base?.properties[name] ?? null) : own;
  }

  /** Local paths of files that no table names yet: what is deleted of them is written again. */
  get unpublished(): ReadonlySet<string> {
    return new Set([...this.#staged.values()].map(({ path }) => path));
  }

  /** What the table holds was looked at: it must not have moved when this is published. */
  look(): void {
    this.#isBlind = false;
  }

  setSchema(schema: Schema, lastColumnId: number): void {
    this.#schema = schema;
    this.#lastColumnId = Math.max(this.#lastColumnId, lastColumnId);
  }

  setSpec(spec: PartitionSpec): void {
    this.#spec = spec;
  }

  setSortOrder(order: SortOrder): void {
    this.#sortOrder = order;
  }

  setProperties(changes: Readonly<Record<string, string | null>>): void {
    this.#properties = { ...this.#properties, ...changes };
  }

  /** Throws `unsupported` for a format that the table cannot go to. */
  upgrade(version: FormatVersion): void {
    if (version < this.formatVersion && (this.base !== null || this.#formatVersion !== null)) {
      throw new LakeError(
        "unsupported",
        `${this.name} is of format version ${this.formatVersion}, and cannot become ${version}`,
        { hint: `copy its rows: create table gold.copy as from ${this.name}` },
      );
    }
    if (version !== this.formatVersion) this.#formatVersion = version;
  }

  /** Puts files in and takes others (by `fileKey`) out. */
  change(data: Written, deletes: Written, removed: readonly string[]): void {
    const gone = new Set(removed);
    for (const key of removed) this.#staged.delete(key);
    const sequence = this.#before.sequenceNumber + 1n;
    const added = (files: readonly StagedFile[], content: DataFile["content"]): DataFile[] =>
      files.map((staged) => {
        const file = unpublishedFile(staged, content, this.#spec, sequence);
        this.#staged.set(fileKey(file), staged);
        return file;
      });
    const files = added(data.files, "data").map((file) => ({
      localPath: must(this.#staged.get(fileKey(file)), "a file was staged just now").path,
      file,
    }));
    const kept = this.#scan.files.filter(({ file }) => !gone.has(fileKey(file)));
    const marks = this.#scan.deletes.filter((file) => !gone.has(fileKey(file)));
    this.#scan = {
      ...this.#scan,
      files: [...files, ...kept],
      deletes: [...marks, ...added(deletes.files, "position-deletes")],
    };
  }

  /** What is to be published; null when nothing is. */
  write(): TableWrite | null {
    const { base } = this;
    const live = everyFile(this.#scan);
    const liveKeys = new Set(live.map(fileKey));
    const removed = everyFile(this.#before)
      .map(fileKey)
      .filter((key) => !liveKeys.has(key));
    const ofContent = (isData: boolean) =>
      live.flatMap((file) => {
        const staged = this.#staged.get(fileKey(file));
        return staged === undefined || (file.content === "data") !== isData ? [] : [staged];
      });
    const data = ofContent(true);
    const deletes = ofContent(false);
    const isLess = removed.length > 0 || deletes.length > 0;
    const operation = isLess
      ? data.length > 0
        ? "overwrite"
        : "delete"
      : data.length > 0
        ? "append"
        : null;
    const schema = base !== null && this.#schema !== base.schema ? this.#schema : null;
    const spec = base !== null && this.#spec !== base.spec ? this.#spec : null;
    const sortOrder = base !== null && this.#sortOrder !== base.sortOrder ? this.#sortOrder : null;
    const properties = base === null ? {} : this.#properties;
    const isSame = schema === null && spec === null && sortOrder === null;
    const hasProperties = Object.keys(properties).length > 0;
    const formatVersion = this.#formatVersion;
    const isUpgraded = formatVersion !== null && base !== null;
    if (base !== null && operation === null && isSame && !hasProperties && !isUpgraded) return null;
    const isNewlyNamed = base === null || schema !== null || isUpgraded;
    if (this.formatVersion === 3 && isNewlyNamed) refuseLineageNames(this.name, this.#schema);
    return {
      table: this.name,
      uuid: this.uuid,
      create: base === null ? this.#made() : null,
      base: this.#before.snapshotId,
      baseSchemaId: base?.schema.schemaId ?? 0,
      isBlind: this.#isBlind && !isLess && isSame,
      schema,
      lastColumnId: this.#lastColumnId,
      spec,
      sortOrder,
      ...(isUpgraded ? { formatVersion } : {}),
      properties,
      operation,
      data,
      deletes,
      removed,
    };
  }

  #made(): TableSpec {
    const set = Object.entries(this.#properties).flatMap(([key, value]) =>
      value === null ? [] : [[key, value] as const],
    );
    return {
      schema: this.#schema,
      spec: this.#spec,
      sortOrder: this.#sortOrder,
      properties: Object.fromEntries(set),
      ...(this.#formatVersion === null ? {} : { formatVersion: this.#formatVersion }),
    };
  }
}

/** All tables that a transaction has changed. */
export class Pending {
  readonly #writer: LakeWriter;
  readonly #tables = new Map<TableName, PendingTable>();
  /** When it began, as the session's moment; null: every statement reads what is there. */
  readonly asOf: string | null;

  constructor(writer: LakeWriter, asOf: string | null = null) {
    this.#writer = writer;
    this.asOf = asOf;
  }

  get isEmpty(): boolean {
    return this.#tables.size === 0;
  }

  /** A table to be changed. Throws `not-found`, and what LakeWriter.open does. */
  async open(parts: readonly string[], kind: ChangeKind, verb: string): Promise<PendingTable> {
    const found = await this.find(parts, kind, verb);
    if (found !== null) return found;
    throw new LakeError("not-found", `there is no table "${parts.join(".")}"`, {
      hint: "list them with: tarn ls; to make one: create table gold.t as select …",
    });
  }

  async find(
    parts: readonly string[],
    kind: ChangeKind,
    verb: string,
  ): Promise<PendingTable | null> {
    const own = this.#named(parts.join("."));
    if (own !== null) return own;
    const opened = await this.#writer.open(parts.join("."), kind, verb, this.asOf);
    if (opened === null) return null;
    const { table, scan } = opened;
    const known = this.#tables.get(table.name);
    if (known !== undefined) return known;
    const pending = new PendingTable(table.name, table.uuid, table, scan, table);
    this.#tables.set(table.name, pending);
    return pending;
  }

  /** A table that is not there yet. */
  add(name: TableName, schema: Schema): PendingTable {
    const uuid = this.#writer.uuid();
    const scan = { table: name, uuid, snapshotId: null, sequenceNumber: 0n, schema };
    const made = { schema, spec: UNPARTITIONED, sortOrder: UNSORTED, properties: {} };
    const empty = { ...scan, files: [], deletes: [] };
    const pending = new PendingTable(name, uuid, null, empty, made);
    this.#tables.set(name, pending);
    return pending;
  }

  /** Takes out what was not changed after all. */
  forget(table: PendingTable): void {
    if (table.write() === null) this.#tables.delete(table.name);
  }

  /** What references mean that name a table as it is by now in the transaction. */
  bindings(refs: readonly TableRef[]): Binding[] {
    return refs.flatMap((ref): Binding[] => {
      const table = momentIn(ref) === null ? this.#named(ref.name) : null;
      return table === null ? [] : [{ kind: "scan", ref, scan: table.scan }];
    });
  }

  /** Bindings of a lookup, with the tables as they are by now below views too. */
  over(bindings: readonly Binding[]): Binding[] {
    return bindings.map((binding): Binding => {
      if (binding.kind === "view") return { ...binding, bindings: this.over(binding.bindings) };
      const own = momentIn(binding.ref) === null ? this.#tables.get(binding.scan.table) : undefined;
      return own === undefined ? binding : { ...binding, scan: own.scan };
    });
  }

  writes(): TableWrite[] {
    return [...this.#tables.values()].flatMap((table) => table.write() ?? []);
  }

  #named(name: string): PendingTable | null {
    const lower = name.toLowerCase();
    for (const table of this.#tables.values()) {
      if (table.name.toLowerCase() === lower) return table;
      // Only what nobody else can look up.
      const isLast = table.base === null && table.name.toLowerCase().endsWith(`.${lower}`);
      if (isLast && !lower.includes(".")) return table;
    }
    return null;
  }
}

function unpublishedFile(
  staged: StagedFile,
  content: DataFile["content"],
  spec: PartitionSpec,
  sequence: bigint,
): DataFile {
  return {
    content,
    path: `file://${staged.path}`,
    format: staged.vector === undefined ? "parquet" : "puffin",
    specId: spec.specId,
    partition: staged.partition,
    recordCount: staged.rows,
    sizeBytes: staged.sizeBytes,
    metrics: new Map(),
    splitOffsets: null,
    sortOrderId: null,
    equalityIds: null,
    referencedDataFile: staged.vector?.dataFile ?? null,
    ...(staged.vector === undefined ? {} : { blob: staged.vector.blob }),
    dataSequenceNumber: sequence,
    fileSequenceNumber: null,
    snapshotId: null,
  };
}
