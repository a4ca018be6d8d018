/** What a statement does to tables: worked out and staged by whoever ran it, and published here in one commit. */

import { LakeError } from "../base/errors.ts";
import type { StagedFile } from "../engine.ts";
import type { Catalog } from "../ports.ts";
import { headOn } from "./branch.ts";
import type { Fact, FormatVersion, TableChange, TableSpec } from "./commit.ts";
import { commitOnce } from "./publish.ts";
import type {
  DataFile,
  FieldId,
  Operation,
  PartitionSpec,
  Schema,
  SortOrder,
  Table,
  TableName,
} from "./types.ts";

/** One table's part: what it becomes, on the state that was looked at. */
export interface TableWrite {
  readonly table: TableName;
  readonly uuid: string;
  /** Null for a table that is there. */
  readonly create: TableSpec | null;
  /** The snapshot that was looked at; null: none. */
  readonly base: bigint | null;
  /** The schema that was looked at. */
  readonly baseSchemaId: number;
  /** What came since was not looked at and need not be: rows are added, whatever the table holds. */
  readonly isBlind: boolean;
  readonly schema: Schema | null;
  /** The highest id that a column had on the way there: staged files may have columns that the schema has no more. */
  readonly lastColumnId: FieldId;
  readonly spec: PartitionSpec | null;
  readonly sortOrder: SortOrder | null;
  /** What it is upgraded to. */
  readonly formatVersion?: FormatVersion;
  readonly properties: Readonly<Record<string, string | null>>;
  /** Null makes no snapshot. */
  readonly operation: Operation | null;
  readonly data: readonly StagedFile[];
  /** Position deletes, or deletion vectors. */
  readonly deletes: readonly StagedFile[];
  /** Keys (`fileKey`) of files that leave. */
  readonly removed: readonly string[];
}

export interface WriteRequest {
  readonly writes: readonly TableWrite[];
  readonly message: string;
  /** The branch that it is done on; absent: `main`. */
  readonly branch?: string | null;
}

/** Another one was first. */
export interface Moved {
  readonly table: TableName;
  /** Sequence numbers: what was looked at, and what is there; null: no table, or no rows. */
  readonly from: bigint | null;
  readonly to: bigint | null;
}

export type Written =
  | {
      readonly kind: "committed";
      readonly number: bigint;
      /** Sequence numbers of the snapshots that were made. */
      readonly sequences: ReadonlyMap<TableName, bigint>;
    }
  | { readonly kind: "moved"; readonly moved: Moved };

/** Publishes all of it or nothing. What was staged is adopted only when nothing has moved. */
export async function commitWrites(
  catalog: Catalog,
  { writes, message, branch = null }: WriteRequest,
): Promise<Written> {
  const load = async ({ table: name }: TableWrite): Promise<Table | null> => {
    const table = await catalog.load(name);
    return table === null ? null : { ...table, current: headOn(table, branch) };
  };
  const facts: Fact[] = [];
  for (const write of writes) {
    const table = await load(write);
    if (hasMoved(write, table)) return { kind: "moved", moved: movedOf(write, table) };
    if (branch !== null) continue;
    // Of a model that is gone: should it come back, it knows nothing of what was done since.
    const was = await catalog.fact("cursor", write.table);
    if (was !== null) facts.push({ kind: "cursor", name: write.table, was, becomes: null });
  }
  const changes: TableChange[] = [];
  for (const write of writes) changes.push(await adopted(catalog, write, branch));
  const told = branch === null ? message : `${message} (branch ${branch})`;
  const change = {
    kind: "write" as const,
    tables: changes,
    facts,
    batches: [],
    withdrawn: [],
    runs: [],
    message: told,
  };
  const committed = await commitOnce(catalog, change, told);
  if (committed !== null) {
    const { number, snapshots } = committed;
    const numbers = [...snapshots].map(([name, one]) => [name, one.sequenceNumber] as const);
    return { kind: "committed", number, sequences: new Map(numbers) };
  }
  await catalog.discard(changes.flatMap(({ added }) => added));
  for (const write of writes) {
    const table = await load(write);
    if (hasMoved(write, table)) return { kind: "moved", moved: movedOf(write, table) };
  }
  const [first] = writes;
  if (first === undefined) throw new LakeError("internal", "a statement without a table");
  return { kind: "moved", moved: movedOf(first, await load(first)) };
}

function hasMoved(write: TableWrite, table: Table | null): boolean {
  if (write.create !== null) return table !== null;
  if (table === null || table.uuid !== write.uuid) return true;
  if (table.schema.schemaId !== write.baseSchemaId) return true;
  return !write.isBlind && (table.current?.snapshotId ?? null) !== write.base;
}

function movedOf(write: TableWrite, table: Table | null): Moved {
  const from = table?.snapshots.find(({ snapshotId }) => snapshotId === write.base);
  return {
    table: write.table,
    from: from?.sequenceNumber ?? null,
    to: table?.current?.sequenceNumber ?? null,
  };
}

async function adopted(
  catalog: Catalog,
  write: TableWrite,
  branch: string | null,
): Promise<TableChange> {
  const { table: name, uuid, create, data, deletes, removed } = write;
  const table = create === null ? await catalog.load(name) : null;
  const schema = create?.schema ?? write.schema ?? table?.schema;
  const spec = create?.spec ?? write.spec ?? table?.spec;
  if (schema === undefined || spec === undefined) {
    throw new LakeError("not-found", `there is no table ${name}`);
  }
  const adopt = async (files: readonly StagedFile[], content: DataFile["content"]) =>
    files.length === 0 ? [] : await catalog.adopt({ name, uuid, schema, spec, content }, files);
  const added = [...(await adopt(data, "data")), ...(await adopt(deletes, "position-deletes"))];
  return {
    table: name,
    uuid,
    create,
    base: write.base,
    ...(branch === null ? {} : { branch }),
    schema: write.schema,
    lastColumnId: write.lastColumnId,
    ...(write.spec === null ? {} : { spec: write.spec }),
    ...(write.sortOrder === null ? {} : { sortOrder: write.sortOrder }),
    ...(write.formatVersion === undefined ? {} : { formatVersion: write.formatVersion }),
    ...(write.isBlind ? {} : { onMoved: "conflict" as const }),
    operation: write.operation,
    added,
    removed,
    summary: {},
    properties: write.properties,
  };
}
