/** The bronze table that a contract lands in: its schema with ids, its decode columns, its partitions. */

import { LakeError } from "../base/errors.ts";
import { own } from "../base/json.ts";
import { docOf, typeWithDocs } from "../contract/notes.ts";
import type { DecodeColumn } from "../engine.ts";
import type { Random } from "../ports.ts";
import { type Evolution, evolveSchema, freshSchema } from "../table/evolution.ts";
import { partitionSpec } from "../table/partition.ts";
import { BRONZE_COLUMNS, isHidden, RESCUED_COLUMN, ROW_COLUMN } from "../table/system-columns.ts";
import { hasPlaceholder, NOTHING, sameType, withoutPlaceholders } from "../table/type-text.ts";
import type { Column, Field, PartitionSpec, Schema, Table, Type } from "../table/types.ts";
import type { Contract, ContractColumn, SourceConfig } from "./contract.ts";
import { QUARANTINE_COLUMNS } from "./quarantine.ts";

const BRONZE_PARTITION = ["day(_ingested_at)"];
const SYSTEM_NAMES: ReadonlySet<string> = new Set(
  [RESCUED_COLUMN, ...BRONZE_COLUMNS, ROW_COLUMN].map((column) => column.name),
);

/** A table that exists or that the commit will create. */
export interface LandingTable {
  readonly table: Table | null;
  readonly name: string;
  readonly uuid: string;
  readonly schema: Schema;
  readonly spec: PartitionSpec;
  /** How the schema differs from the table's; null for a new table. */
  readonly evolution: Evolution | null;
}

/** The bronze target of a source under a contract. */
export function bronzeTarget(
  source: SourceConfig,
  contract: Contract,
  table: Table | null,
  filled: ReadonlyMap<string, Type>,
  random: Random,
): LandingTable {
  const columns = bronzeColumns(source, contract);
  if (table === null) {
    const required = new Set(source.required);
    const schema = freshSchema(columns, required);
    const spec = partitionSpec(source.partition, schema);
    return { table, name: source.into, uuid: random.uuid(), schema, spec, evolution: null };
  }
  const evolution = evolveSchema(table.schema, table.lastColumnId, columns, {
    missing: "keep",
    last: SYSTEM_NAMES,
    filled,
    required: new Set(source.required),
  });
  return {
    table,
    name: source.into,
    uuid: table.uuid,
    schema: evolution.changes.length === 0 ? table.schema : evolution.schema,
    spec: table.spec,
    evolution,
  };
}

/**
 * The bronze target of a source whose files are all read again: exactly the columns of the contract, in its order. With
 * rows of others in the table, theirs stay too. Throws `unsupported` where the table is partitioned by what would go.
 */
export function rereadTarget(
  source: SourceConfig,
  contract: Contract,
  table: Table,
  hasOthers: boolean,
): LandingTable {
  const isReal = table.schema.fields.some(({ name }) => name === ROW_COLUMN.name);
  const columns = [...bronzeColumns(source, contract), ...(isReal ? [ROW_COLUMN] : [])];
  const wanted = new Map(columns.map((column) => [column.name, column.type]));
  // A part of a nested column that is no longer there goes with the column that had it.
  const current = hasOthers
    ? table.schema
    : { ...table.schema, fields: table.schema.fields.filter((field) => isKept(field, wanted)) };
  const evolution = evolveSchema(current, table.lastColumnId, columns, {
    missing: hasOthers ? "keep" : "drop",
    last: SYSTEM_NAMES,
    required: new Set(source.required),
  });
  const order = new Map(columns.map(({ name }, index) => [name, index]));
  const placeOf = ({ name }: Field): number => order.get(name) ?? columns.length;
  const fields = hasOthers
    ? evolution.schema.fields
    : [...evolution.schema.fields].sort((a, b) => placeOf(a) - placeOf(b));
  const ids = new Set(fields.map(({ id }) => id));
  const lost = table.spec.fields.find(({ sourceId }) => !ids.has(sourceId));
  if (lost !== undefined) {
    throw new LakeError("unsupported", `${table.name} is partitioned by ${lost.name}`, {
      hint: "its column would have another type or go; nothing was changed: land the files in a new table (into:)",
    });
  }
  const isSame =
    fields.length === table.schema.fields.length &&
    fields.every((field, index) => field === table.schema.fields[index]);
  const schema = isSame ? table.schema : { ...table.schema, fields };
  const changes = isSame
    ? []
    : [{ column: contract.source, kind: "retyped" as const, from: null, to: null }];
  return {
    table,
    name: source.into,
    uuid: table.uuid,
    schema,
    spec: table.spec,
    evolution: { ...evolution, schema, changes, retyped: hasOthers ? evolution.retyped : [] },
  };
}

function isKept(field: Field, wanted: ReadonlyMap<string, Type>): boolean {
  const type = wanted.get(field.name);
  const isPrimitive = field.type.kind === "primitive" || field.type.kind === "decimal";
  return type === undefined || isPrimitive || sameType(type, field.type);
}

/** What files land under: `_row` is the order of a file, until a compaction stores it. */
export function landedSchema({ schema }: Pick<LandingTable, "schema">): Schema {
  const fields = schema.fields.filter(({ name }) => name !== ROW_COLUMN.name);
  return fields.length === schema.fields.length ? schema : { ...schema, fields };
}

/** The quarantine table beside a target; its schema never changes. */
export function quarantineTarget(name: string, table: Table | null, random: Random): LandingTable {
  if (table !== null) {
    const { schema, spec, uuid } = table;
    return { table, name, uuid, schema, spec, evolution: null };
  }
  const schema = freshSchema(QUARANTINE_COLUMNS, new Set());
  const spec = partitionSpec(BRONZE_PARTITION, schema);
  return { table, name, uuid: random.uuid(), schema, spec, evolution: null };
}

/** Which field of a file fills which column, for the decoder; of those `aside` misfits are set aside. */
export function decodeColumns(
  source: SourceConfig,
  contract: Contract,
  aside: ReadonlySet<string>,
): DecodeColumn[] {
  return contract.columns.map((column) => ({
    source: column.source,
    name: column.name,
    required: column.required || source.required.includes(column.name),
    expression: expressionOf(source, column.source),
    ...awaiting(column),
    ...(aside.has(column.source) ? { setsAside: true } : {}),
  }));
}

function awaiting({ type, unseen }: ContractColumn): Pick<DecodeColumn, "awaits"> {
  if (unseen) return { awaits: NOTHING };
  return hasPlaceholder(type) ? { awaits: type } : {};
}

/** By the exact name, then ignoring case: no value lands as it is for the way its key is written. */
function expressionOf({ beforeLanding }: SourceConfig, column: string): string | null {
  const exact = own(beforeLanding, column);
  if (exact !== undefined) return exact;
  const folded = column.toLowerCase();
  return Object.entries(beforeLanding).find(([name]) => name.toLowerCase() === folded)?.[1] ?? null;
}

function bronzeColumns(source: SourceConfig, contract: Contract): Column[] {
  const own = contract.columns
    .filter((column) => !isHidden(column.name))
    .map((column) => {
      const doc = docOf(column);
      const type = withoutPlaceholders(typeWithDocs(column));
      return { name: column.name, type, ...(doc === null ? {} : { doc }) };
    });
  const rescued = source.schema === "ignore" ? [RESCUED_COLUMN] : [];
  return [...own, ...rescued, ...BRONZE_COLUMNS];
}
