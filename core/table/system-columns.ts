/** Columns that no user names: those that tarn adds to tables, which hide, and those of Iceberg's position deletes. */

import { LakeError } from "../base/errors.ts";
import type { Column, Field, Scan, Schema, TableName, Type } from "./types.ts";

const STRING: Type = { kind: "primitive", name: "string" };
const LONG: Type = { kind: "primitive", name: "long" };
const TIMESTAMPTZ: Type = { kind: "primitive", name: "timestamptz" };

/**
 * Stored in every bronze table, after the source's own columns. `_source` names the source, `_source_file` the drop as
 * it was named (relative to the project), `_batch` the ledger batch (sortable: later batches compare greater),
 * `_ingested_at` the instant of the batch, equal for all its rows. DESIGN, Settled.
 */
export const BRONZE_COLUMNS: readonly Column[] = [
  { name: "_source", type: STRING },
  { name: "_source_file", type: STRING },
  { name: "_batch", type: STRING },
  { name: "_ingested_at", type: TIMESTAMPTZ },
];

/** JSON object of the fields that the contract does not know; only in tables whose source rescues. */
export const RESCUED_COLUMN: Column = { name: "_rescued", type: STRING };

/**
 * Position of a row in its drop, from 1. Not stored in bronze: it is the row's order within its data file and
 * `_source_file`; stored by our compaction and by incremental models; NULL after a foreign rewrite.
 */
export const ROW_COLUMN: Column = { name: "_row", type: LONG };

/** What an incremental model carries from its driving input to order and to find rows again. */
export const PROVENANCE_COLUMNS: readonly Column[] = [
  { name: "_batch", type: STRING },
  { name: "_source_file", type: STRING },
  { name: "_row", type: LONG },
  { name: "_ingested_at", type: TIMESTAMPTZ },
];

/**
 * Another name of `_source_file` in our own SQL, for a table without a column of this name. It is not stored: Iceberg
 * reserves it for the path of the data file (spec, Reserved Field IDs), and Spark answers with that.
 */
export const FILE_ALIAS = "_file";
export const SOURCE_FILE_COLUMN = "_source_file";
/** When a row landed. */
export const INGESTED_COLUMN = "_ingested_at";

/**
 * Footer key of data files whose rows are in the order of their drops, the rows of one drop together. Its value is
 * what to add to the count within the drop: 0 unless an earlier part of the drop lies elsewhere.
 */
export const ROW_ORDER_KEY = "tarn.row-order";

/** Ids that Iceberg reserves: `_pos`, which a deletion vector is about, and those of the columns of format v3. */
export const ROW_POSITION_ID = 2147483645;
export const ROW_ID_ID = 2147483540;
export const LAST_UPDATED_ID = 2147483539;

/** The recorded path of a data file, and the position of a row in it from 0. */
export const FILE_PATH_ID = 2147483546;
export const POS_ID = 2147483545;

/** What says which rows of which data files are gone. Iceberg spec, "Position Delete Files". */
export const POSITION_DELETES: Schema = {
  schemaId: 0,
  fields: [
    {
      id: FILE_PATH_ID,
      name: "file_path",
      required: true,
      type: STRING,
    },
    { id: POS_ID, name: "pos", required: true, type: LONG },
  ],
};

/**
 * Columns of every table of format v3: the id of a row for as long as it is there, and the sequence number of the
 * commit that last gave it a value. Stored in files whose rows were in others before, else counted from what the
 * manifests say. Iceberg spec, "Row Lineage".
 */
export const LINEAGE_FIELDS: readonly Field[] = [
  { id: ROW_ID_ID, name: "_row_id", required: false, type: LONG },
  { id: LAST_UPDATED_ID, name: "_last_updated_sequence_number", required: false, type: LONG },
];

/**
 * A schema with those columns, where it is the one of a table that has them. Throws `unsupported` where a column of its
 * own is called so: a file has one column of a name.
 */
export function withLineage(
  schema: Schema,
  { table, hasLineage }: Pick<Scan, "table" | "hasLineage">,
): Schema {
  if (hasLineage !== true || schema.fields.some(isLineage)) return schema;
  refuseLineageNames(table, schema);
  return { ...schema, fields: [...schema.fields, ...LINEAGE_FIELDS] };
}

/** True for one of those columns. */
export function isLineage({ id }: Pick<Field, "id">): boolean {
  return id === ROW_ID_ID || id === LAST_UPDATED_ID;
}

/** Throws `unsupported` for columns of a table of format v3 that are called as those that Iceberg keeps there. */
export function refuseLineageNames(table: TableName, { fields }: Schema): void {
  const taken = fields.find(
    (field) =>
      !isLineage(field) && LINEAGE_FIELDS.some(({ name }) => name === field.name.toLowerCase()),
  );
  if (taken === undefined) return;
  throw new LakeError(
    "unsupported",
    `${table}: ${taken.name} is the name of a column that Iceberg keeps in tables of format v3`,
    {
      hint: `give yours another name, such as ${taken.name.replace(/^_+/, "")}`,
      context: { table, column: taken.name },
    },
  );
}

const HIDDEN: ReadonlySet<string> = new Set([
  ...BRONZE_COLUMNS.map((column) => column.name),
  RESCUED_COLUMN.name,
  ROW_COLUMN.name,
]);

/** True for columns that stay out of `select *` in our shell and answer by name. */
export function isHidden(name: string): boolean {
  return HIDDEN.has(name);
}

/** True for names that no column of a source or a model may have: those of hidden columns and their alias. */
export function isReserved(name: string): boolean {
  return HIDDEN.has(name) || name === FILE_ALIAS;
}
