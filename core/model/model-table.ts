/** The table a model writes, and the quarantine beside it: existing ones, or what their first rows make. */

import { LakeError } from "../base/errors.ts";
import type { Binding, MaterializeMode, StagedFile, TableRef, Winners } from "../engine.ts";
import { QUARANTINE_COLUMNS, quarantineTable } from "../ingest/quarantine.ts";
import type { Catalog, Clock, FileIO, Random, SqlEngine } from "../ports.ts";
import type { StepEngine } from "../steps.ts";
import type { FormatVersion, TableChange, TableSpec } from "../table/commit.ts";
import { freshSchema } from "../table/evolution.ts";
import { fittingPartitions, nextSpec, partitionSpec } from "../table/partition.ts";
import { FILE_ALIAS, PROVENANCE_COLUMNS, refuseLineageNames } from "../table/system-columns.ts";
import type {
  Column,
  DataFile,
  PartitionSpec,
  Scan,
  Schema,
  Snapshot,
  Table,
  TableName,
} from "../table/types.ts";
import { contractErrors } from "./contract.ts";
import {
  type CdcColumns,
  cdcColumns,
  dropSequence,
  eventSchema,
  refuseUntold,
  sequenceQuery,
} from "./feed.ts";
import { isMerged, type Model } from "./model.ts";
import type { ModelNode } from "./node.ts";
import type { Pins } from "./pins.ts";
import { nextColumns } from "./schema-change.ts";
import { reservedColumn } from "./validate.ts";

export interface RunPorts {
  readonly io: FileIO;
  readonly catalog: Catalog;
  readonly engine: SqlEngine;
  readonly clock: Clock;
  readonly random: Random;
  /** Runs programs of models; absent: none is run. */
  readonly steps?: StepEngine;
}

export interface RunSettings {
  readonly timezone: string;
  readonly engineVersion: string;
  readonly memoryBytes: number;
  readonly threads: number;
  /** A model as it last published; null where that is not kept, or not read any more. Absent: nobody can tell. */
  readonly recorded?: RecordedOf;
}

export type RecordedOf = (node: ModelNode) => Promise<ModelNode | null>;

/** What is known of a run when its target is worked out. */
export interface TargetJob {
  readonly node: ModelNode;
  readonly pins: Pins;
  readonly settings: RunSettings;
  readonly runTimeMs: number;
  readonly driver: TableRef | null;
  /** Every row is written anew: under the partitions that the model asks for now. */
  readonly isWhole: boolean;
  /** A person asked for everything anew. */
  readonly isAsked?: boolean;
}

/** The table a model writes: as it is, or as its next schema makes it. */
export interface ModelTarget {
  readonly name: TableName;
  readonly table: Table | null;
  /** The snapshot that the run was decided on; what came since is of another writer. */
  readonly base: Snapshot | null;
  readonly uuid: string;
  readonly schema: Schema;
  readonly spec: PartitionSpec;
  readonly schemaChanged: boolean;
  readonly specChanged: boolean;
  /** The format that it is made in, or goes to; null: as it is. */
  readonly format: FormatVersion | null;
  /** Why only a full run is right: a column changed its type or left, the partitions are others; null when any is. */
  readonly breaking: string | null;
  /** Partitions that the model asks for and that its columns do not have as they are. */
  readonly unfit: readonly LakeError[];
  /** Columns that the query does not give are NULL, and those that the table does not have are left out. */
  readonly isLenient: boolean;
  /** Of a change feed: what its rows are, beside what the table holds. */
  readonly feed: CdcColumns | null;
}

/** The rows that a run was decided on; of a new table there are none. */
export async function baseScan(catalog: Catalog, target: ModelTarget): Promise<Scan> {
  if (target.table !== null) {
    const scan = await catalog.scan(target.table, target.base);
    // What is written is for the table as it will be.
    return target.format === 3 ? { ...scan, hasLineage: true } : scan;
  }
  return noRows(target);
}

/** A target as if nothing had been made of it. */
export function noRows(target: ModelTarget): Scan {
  return {
    table: target.name,
    uuid: target.uuid,
    snapshotId: null,
    sequenceNumber: 0n,
    schema: target.schema,
    files: [],
    deletes: [],
  };
}

/** Why a run was full, with what of its settings did not come to pass. */
export function reasonWith(reason: string, { unfit }: Pick<ModelTarget, "unfit">): string {
  return [reason, ...unfit.map((error) => `not kept: ${error.message}`)].join("; ");
}

const HIDDEN: ReadonlySet<string> = new Set(PROVENANCE_COLUMNS.map(({ name }) => name));

/** Columns of a query without those that say where its rows came from. */
export function withoutOwn(columns: readonly Column[]): readonly Column[] {
  return columns.filter(({ name }) => !HIDDEN.has(name) && name !== FILE_ALIAS);
}

/** The schema and partitions that the query's columns ask for. */
export async function modelTarget(
  ports: RunPorts,
  job: TargetJob,
  bindings: readonly Binding[],
): Promise<ModelTarget> {
  const { model } = job.node;
  const { held, feed } = await givenColumns(ports, job, bindings);
  const columns: Column[] = job.driver === null ? [...held] : [...held, ...PROVENANCE_COLUMNS];
  const pin = await job.pins.get(model.name);
  if (pin === null) {
    const schema = freshSchema(columns, new Set());
    if (model.formatVersion === 3) refuseLineageNames(model.name, schema);
    const { fitting, unfit } = fittingPartitions(model.partition, schema);
    return {
      name: model.name,
      table: null,
      base: null,
      uuid: ports.random.uuid(),
      schema,
      spec: partitionSpec(fitting, schema),
      schemaChanged: false,
      specChanged: false,
      format: model.formatVersion,
      breaking: null,
      unfit,
      isLenient: false,
      feed,
    };
  }
  const { table } = pin;
  const isAsked = job.isAsked === true;
  const { evolution, isLenient } = nextColumns(model, table, columns, isAsked);
  const dropped = evolution.changes.some((change) => change.kind === "dropped");
  const schema = evolution.changes.length === 0 ? table.schema : evolution.schema;
  const format = nextFormat(model, table);
  if ((format ?? table.formatVersion) === 3) refuseLineageNames(model.name, schema);
  const { fitting, unfit } = fittingPartitions(model.partition, schema);
  const wanted = nextSpec(table.specs, fitting, schema);
  const isOther = wanted.specId !== table.spec.specId;
  return {
    name: model.name,
    table,
    base: pin.snapshot,
    uuid: table.uuid,
    schema,
    spec: job.isWhole ? wanted : table.spec,
    schemaChanged: evolution.changes.length > 0,
    specChanged: job.isWhole && isOther,
    format,
    breaking:
      dropped || evolution.retyped.length > 0
        ? "its columns changed"
        : isOther
          ? "its partitions changed"
          : null,
    unfit,
    isLenient,
    feed,
  };
}

/** What a table of a target is made as, or upgraded to. */
export function formatOf(
  { table, format }: ModelTarget,
  made: TableSpec,
): Pick<TableChange, "create" | "formatVersion"> {
  const asked = format === null ? {} : { formatVersion: format };
  return table === null ? { create: { ...made, ...asked } } : { create: null, ...asked };
}

/** Formats go up only, whoever raised them. Throws `unsupported`. */
function nextFormat({ name, file, formatVersion }: Model, table: Table): FormatVersion | null {
  if (formatVersion === null || formatVersion === table.formatVersion) return null;
  if (formatVersion > table.formatVersion) return formatVersion;
  throw new LakeError(
    "unsupported",
    `${name} is of format version ${table.formatVersion}, and cannot become ${formatVersion}`,
    { hint: `take format_version out of ${file}; to begin anew: tarn drop ${name}` },
  );
}

/** The columns that the query makes its table of. Throws `schema` where they are not those of its contract. */
async function givenColumns(
  ports: RunPorts,
  job: TargetJob,
  bindings: readonly Binding[],
): Promise<{ readonly held: readonly Column[]; readonly feed: CdcColumns | null }> {
  const { model } = job.node;
  const described = await ports.engine.describe({
    sql: model.sql,
    bindings,
    timezone: job.settings.timezone,
    runTimeMs: job.runTimeMs,
    driver: job.driver,
  });
  const reserved = reservedColumn(model, described.columns, job.driver !== null);
  if (reserved !== null) throw reserved;
  const own = withoutOwn(described.columns);
  const feed = await feedColumns(ports, job, bindings, own);
  const held = feed?.table ?? own;
  const [broken] = contractErrors(model, held);
  if (broken !== undefined) throw broken;
  return { held, feed };
}

async function feedColumns(
  ports: RunPorts,
  { node, settings, runTimeMs, driver }: TargetJob,
  bindings: readonly Binding[],
  columns: readonly Column[],
): Promise<CdcColumns | null> {
  const { model } = node;
  if (model.cdc === null) return null;
  const { timezone } = settings;
  refuseUntold(model.name, driver !== null, model.cdc);
  const told = dropSequence(model.cdc);
  if (told !== null) return cdcColumns({ ...model, cdc: model.cdc }, columns, told);
  const sql = sequenceQuery(model.sql, model.cdc);
  const described = await ports.engine.describe({
    sql,
    bindings,
    timezone,
    runTimeMs,
    driver: null,
  });
  return cdcColumns({ ...model, cdc: model.cdc }, columns, described.columns);
}

/** How the query's rows become the table when they are all there is; `into` is the table to work with. */
export function modeInto(
  { model }: ModelNode,
  { feed }: ModelTarget,
  into: Scan,
  driver: TableRef | null,
): MaterializeMode {
  const { key, cdc } = model;
  if (isMerged(model.kind)) return { kind: "merge", ...winnersOf(model), target: into };
  if (cdc === null || feed === null) return { kind: "rows" };
  const events = eventSchema(feed.events, driver !== null);
  const whole = { history: null, since: null };
  return { kind: "cdc", key, rule: cdc, events, sequence: feed.sequence, target: into, ...whole };
}

/** Which rows of a key stay in the table of a model that merges. */
export function winnersOf({ kind, key, latestBy, deletedWhen }: Model): Winners {
  return { key, latestBy, keepsMany: kind === "delete_insert", deletedWhen };
}

/** A table as if it had no rows, for a run that makes them all. */
export function emptied(scan: Scan, { schema }: ModelTarget): Scan {
  return { ...scan, schema, files: [], deletes: [] };
}

/** The quarantine table beside a model, as it is or as its first rows make it. */
export async function rejectTarget(ports: RunPorts, model: TableName): Promise<ModelTarget> {
  const name = quarantineTable(model);
  const table = await ports.catalog.load(name);
  const fresh = freshSchema(QUARANTINE_COLUMNS, new Set());
  return {
    name,
    table,
    base: table?.current ?? null,
    uuid: table?.uuid ?? ports.random.uuid(),
    schema: table?.schema ?? fresh,
    spec: table?.spec ?? { specId: 0, fields: [] },
    schemaChanged: false,
    specChanged: false,
    format: null,
    breaking: null,
    unfit: [],
    isLenient: false,
    feed: null,
  };
}

/** An append of staged files to a target, which it creates when it is new. */
export async function appendChange(
  ports: Pick<RunPorts, "catalog">,
  target: ModelTarget,
  staged: readonly StagedFile[],
  run: string,
): Promise<TableChange> {
  const { name, uuid, schema, spec } = target;
  const added =
    staged.length === 0 ? [] : await ports.catalog.adopt({ name, uuid, schema, spec }, staged);
  const sortOrder = { orderId: 0, fields: [] };
  return {
    table: name,
    uuid,
    ...formatOf(target, { schema, spec, sortOrder, properties: {} }),
    base: target.base?.snapshotId ?? null,
    schema: null,
    operation: "append",
    added,
    removed: [],
    summary: { "tarn.run-id": run },
  };
}

/** Staged position deletes as files of a target. */
export async function adoptDeletes(
  ports: Pick<RunPorts, "catalog">,
  { name, uuid, schema, spec }: ModelTarget,
  staged: readonly StagedFile[],
): Promise<readonly DataFile[]> {
  if (staged.length === 0) return [];
  const content = "position-deletes";
  return ports.catalog.adopt({ name, uuid, schema, spec, content }, staged);
}

/** What earlier runs set aside; null when there is no such table yet. */
export async function rejectScan(
  ports: Pick<RunPorts, "catalog">,
  { table }: ModelTarget,
): Promise<Scan | null> {
  return table === null ? null : ports.catalog.scan(table, table.current);
}

/** The rows that a run set aside, in the place of the files that it says anew; null when nothing changes. */
export async function rejectChange(
  ports: Pick<RunPorts, "catalog">,
  target: ModelTarget,
  staged: readonly StagedFile[],
  run: { readonly id: string; readonly replaced: readonly string[] },
): Promise<TableChange | null> {
  const { id, replaced } = run;
  if (staged.length === 0 && replaced.length === 0) return null;
  const change = await appendChange(ports, target, staged, id);
  return replaced.length === 0 ? change : { ...change, operation: "overwrite", removed: replaced };
}
