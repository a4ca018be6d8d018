/** Compaction: small files of a table become few, rows that are deleted leave for good, and no row changes. */

import { LakeError } from "../base/errors.ts";
import { counted } from "../base/quantity.ts";
import type { StagedFile } from "../engine.ts";
import type { EngineBudget, LandingPorts } from "../ingest/landing.ts";
import { branchOn } from "./branch.ts";
import type { TableChange } from "./commit.ts";
import {
  type CompactedFiles,
  type CompactionRules,
  type PartitionPlan,
  planCompaction,
  withRealRows,
} from "./compaction.ts";
import { everyFile, fileKey, isVector } from "./live.ts";
import { commitOnce, publish } from "./publish.ts";
import type { DataFile, PartitionSpec, Scan, Table, TableName } from "./types.ts";

export type CompactPorts = Pick<LandingPorts, "catalog" | "engine" | "io" | "random" | "clock">;

export interface CompactOptions {
  readonly dryRun: boolean;
  /** Bytes to read at most, one group at least; null: all. */
  readonly bytesMax: number | null;
  /** Files that are read at most. */
  readonly filesMax: number | null;
  /** It is tried once: where another writer is first, nothing was done. */
  readonly once?: boolean;
}

export interface Compaction {
  readonly table: TableName;
  /** Data files that make way, and their bytes; for a dry run those that would. */
  readonly files: number;
  readonly bytes: number;
  /** Files that take their place; for a dry run about as many as would. */
  readonly filesAdded: number;
  /** Null for a dry run. */
  readonly bytesAdded: number | null;
  /** Delete files that leave. */
  readonly deletes: number;
  /** Rows that were deleted before, and are gone from the files now; null for a dry run. */
  readonly rowsLeftOut: bigint | null;
  /** Null where nothing was done. */
  readonly commit: bigint | null;
  /** Why nothing can be done; null where it can. */
  readonly refused: string | null;
}

/**
 * One `replace` commit. What is appended meanwhile stays; where another writer took files away, it is worked out again.
 * Throws `conflict` when others keep winning, and what the engine throws: nothing was changed then.
 */
export async function compactTable(
  ports: CompactPorts,
  name: TableName,
  rules: CompactionRules,
  budget: EngineBudget,
  options: CompactOptions,
): Promise<Compaction> {
  const attempt = () => compactOnce(ports, name, rules, budget, options);
  const hint = "nothing was changed; run it again when the other writer is done";
  if (options.once === true) return (await attempt()) ?? { ...NOTHING, table: name };
  return await publish({ what: name, hint, attempt });
}

/** Null when another writer was first. */
async function compactOnce(
  ports: CompactPorts,
  name: TableName,
  rules: CompactionRules,
  budget: EngineBudget,
  options: CompactOptions,
): Promise<Compaction | null> {
  const { catalog } = ports;
  const table = await catalog.load(name);
  if (table === null) throw new LakeError("not-found", `there is no table ${name}`);
  const scan = await catalog.scan(table, table.current);
  const refused = refusal(table, scan);
  if (refused !== null) return { ...NOTHING, table: name, refused };
  const plans = within(planCompaction(table, scan, rules), options);
  const dangling = await catalog.danglingDeletes(table);
  if (options.dryRun) return dryRun(name, plans, dangling.length);
  const schema = withRealRows(table);
  const added: DataFile[] = [];
  const done: CompactedFiles[] = [];
  for (const plan of plans) {
    const made = await compactPartition(ports, table, plan, budget);
    done.push(made);
    added.push(...(await adopted(ports, table, plan, made)));
  }
  const folded = plans.flatMap((plan) => foldedDeletes(table, plan, done));
  const removed = [
    ...new Set([
      ...done.flatMap(({ replaced }) => replaced),
      ...[...folded, ...dangling].map(fileKey),
    ]),
  ];
  if (removed.length === 0) return { ...NOTHING, table: name };
  const isReal = schema !== table.schema && added.length > 0;
  const isData = new Set(scan.files.map(({ file }) => file.path));
  const leaving = new Set(removed);
  const gone = scan.files.filter(({ file }) => leaving.has(file.path));
  const files = gone.length;
  const filesAdded = added.filter(({ content }) => content === "data").length;
  const deletes = removed.filter((path) => !isData.has(path)).length;
  const committed = await commitOnce(
    catalog,
    {
      kind: "maintain",
      tables: [changeOf(table, isReal ? schema : null, added, removed)],
      facts: [],
      batches: [],
      withdrawn: [],
      runs: [],
      message: messageOf(name, files, filesAdded, deletes),
    },
    name,
  );
  if (committed === null) {
    await catalog.discard(added);
    return null;
  }
  return {
    table: name,
    files,
    bytes: gone.reduce((sum, { file }) => sum + Number(file.sizeBytes), 0),
    filesAdded,
    bytesAdded: added.reduce((sum, file) => sum + Number(file.sizeBytes), 0),
    deletes,
    rowsLeftOut: done.reduce((sum, { rowsLeftOut }) => sum + rowsLeftOut, 0n),
    commit: committed.number,
    refused: null,
  };
}

const NOTHING = {
  files: 0,
  bytes: 0,
  filesAdded: 0,
  bytesAdded: null,
  deletes: 0,
  rowsLeftOut: null,
  commit: null,
  refused: null,
} as const;

/**
 * What another engine wrote in a form that is only read here stays as it is, and so does what a branch was begun on: it
 * could not become `main` any more.
 */
function refusal(table: Table, scan: Scan): string | null {
  const branch = branchOn(table);
  if (branch !== null) return `the branch ${branch} stands on it: promote or drop that first`;
  if (table.formatVersion === 1) return `it is an Iceberg v${table.formatVersion} table`;
  const other = everyFile(scan).find(
    (file) => file.format.toLowerCase() !== "parquet" && !isVector(file),
  );
  return other === undefined ? null : `it has ${other.format} files`;
}

/** The first groups, as many as the bytes allow, and the first files of them. */
function within(
  plans: readonly PartitionPlan[],
  { bytesMax, filesMax }: CompactOptions,
): PartitionPlan[] {
  let left = bytesMax ?? Number.POSITIVE_INFINITY;
  let filesLeft = filesMax ?? Number.POSITIVE_INFINITY;
  const some: PartitionPlan[] = [];
  for (const plan of plans) {
    const groups: PartitionPlan["groups"][number][] = [];
    for (const whole of plan.groups) {
      const group = whole.slice(0, filesLeft);
      // One of several is made no fewer.
      if (left <= 0 || group.length < Math.min(2, whole.length)) break;
      groups.push(group);
      filesLeft -= group.length;
      left -= group.reduce((sum, { file }) => sum + Number(file.sizeBytes), 0);
    }
    if (groups.length > 0) some.push({ ...plan, groups });
  }
  return some;
}

function dryRun(name: TableName, plans: readonly PartitionPlan[], dangling: number): Compaction {
  const files = plans.flatMap(({ groups }) => groups.flat());
  return {
    ...NOTHING,
    table: name,
    files: files.length,
    bytes: files.reduce((sum, { file }) => sum + Number(file.sizeBytes), 0),
    filesAdded: plans.reduce((sum, { groups }) => sum + groups.length, 0),
    deletes: dangling + plans.reduce((sum, { scan }) => sum + scan.deletes.length, 0),
  };
}

async function compactPartition(
  { engine, io, random }: CompactPorts,
  table: Table,
  { scan, specId, partition, groups }: PartitionPlan,
  { memoryBytes, threads }: EngineBudget,
): Promise<CompactedFiles> {
  const made = await engine.compact({
    scan,
    groups: groups.map((group) => group.map(({ file }) => file.path)),
    schema: withRealRows(table),
    specId,
    partition,
    sortBy: table.sortOrder.fields,
    staging: await io.stagingFolder(`compact-${random.uuid()}`),
    memoryBytes,
    threads,
  });
  const replaced = new Set(made.replaced);
  const before = scan.files
    .filter(({ file }) => replaced.has(file.path))
    .reduce((sum, { file }) => sum + file.recordCount, 0n);
  if (made.rows + made.rowsLeftOut === before) return made;
  throw new LakeError("internal", `${table.name}: ${before} rows became ${made.rows}`, {
    hint: "nothing was changed; report this",
    context: { table: table.name, deleted: made.rowsLeftOut },
  });
}

async function adopted(
  { catalog }: CompactPorts,
  table: Table,
  { specId }: PartitionPlan,
  made: CompactedFiles,
): Promise<DataFile[]> {
  const { name, uuid, sortOrder } = table;
  const schema = withRealRows(table);
  const spec = specOf(table, specId);
  const adopt = (files: readonly StagedFile[], content: DataFile["content"]) =>
    catalog.adopt({ name, uuid, schema, spec, content }, files);
  const data = await adopt(made.files, "data");
  const ids = new Set(schema.fields.map(({ id }) => id));
  const isSorted =
    sortOrder.fields.length > 0 && sortOrder.fields.every(({ sourceId }) => ids.has(sourceId));
  const sortOrderId = isSorted ? sortOrder.orderId : null;
  return [
    ...data.map((file) => ({ ...file, sortOrderId })),
    ...(await adopt(made.marks.files, "position-deletes")),
  ];
}

function specOf({ name, specs }: Table, specId: number): PartitionSpec {
  const spec = specs.find((one) => one.specId === specId);
  if (spec !== undefined) return spec;
  throw new LakeError("corrupt", `${name} has files of partition spec ${specId}, which it lacks`, {
    hint: "the metadata was not written by a correct engine",
  });
}

/** Equality deletes of a partition all of whose older files were written again. Those of all partitions stay. */
function foldedDeletes(
  table: Table,
  { scan, specId }: PartitionPlan,
  done: readonly CompactedFiles[],
): DataFile[] {
  if (specOf(table, specId).fields.length === 0 && table.specs.length > 1) return [];
  const replaced = new Set(done.flatMap((one) => one.replaced));
  const kept = scan.files.filter(({ file }) => !replaced.has(file.path));
  return scan.deletes.filter(
    (one) =>
      one.content === "equality-deletes" &&
      one.specId === specId &&
      kept.every(({ file }) => (file.dataSequenceNumber ?? 0n) >= (one.dataSequenceNumber ?? 0n)),
  );
}

function changeOf(
  table: Table,
  schema: Table["schema"] | null,
  added: readonly DataFile[],
  removed: readonly string[],
): TableChange {
  return {
    table: table.name,
    uuid: table.uuid,
    create: null,
    base: table.current?.snapshotId ?? null,
    schema,
    operation: "replace",
    added,
    removed,
    summary: {},
  };
}

function messageOf(name: TableName, files: number, added: number, deletes: number): string {
  const parts = [
    ...(files === 0 ? [] : [`${counted(files, "file")} made ${added}`]),
    ...(deletes === 0 ? [] : [`${counted(deletes, "delete file")} folded`]),
  ];
  return `${name}: ${parts.join(", ")}`;
}
