/** Whether the columns that a set of models name are there, found out without a row of data. */

import { LakeError } from "../base/errors.ts";
import type { Binding } from "../engine.ts";
import type { Catalog, SqlEngine } from "../ports.ts";
import { freshSchema } from "../table/evolution.ts";
import { isReserved, PROVENANCE_COLUMNS } from "../table/system-columns.ts";
import type { Column, Scan, Schema, TableName } from "../table/types.ts";
import type { ModelNode } from "./node.ts";
import type { Names } from "./pins.ts";
import { checkColumns } from "./validate.ts";

export interface ColumnPorts {
  readonly catalog: Pick<Catalog, "load">;
  readonly engine: Pick<SqlEngine, "describe">;
}

/**
 * Columns that a query or its settings name and that are not there, with their places. Models are described in
 * dependency order over the columns that the others will have, tables over those they have; what reads a table that
 * is not there yet, or something that cannot be described, is not judged.
 */
export async function columnErrors(
  ports: ColumnPorts,
  names: Names,
  nodes: readonly ModelNode[],
  settings: { readonly timezone: string; readonly nowMs: number },
): Promise<LakeError[]> {
  const modelNames = new Set(nodes.map((node) => node.model.name));
  const schemaByModel = new Map<TableName, Schema>();
  const errors: LakeError[] = [];
  for (const node of nodes) {
    const bindings: Binding[] = [];
    for (const ref of node.analysis.tables) {
      const name = names.resolve(ref);
      const schema = modelNames.has(name)
        ? schemaByModel.get(name)
        : (await ports.catalog.load(name))?.schema;
      if (schema !== undefined) bindings.push({ kind: "scan", ref, scan: emptyScan(name, schema) });
    }
    if (bindings.length < node.analysis.tables.length) continue;
    const { timezone, nowMs: runTimeMs } = settings;
    const request = { sql: node.model.sql, bindings, timezone, runTimeMs, driver: null };
    try {
      const { columns } = await ports.engine.describe(request);
      schemaByModel.set(node.model.name, withProvenance(columns));
      errors.push(...checkColumns(node.model, columns));
    } catch (thrown) {
      const error = missingColumn(node, thrown);
      if (error !== null) errors.push(error);
    }
  }
  return errors;
}

function emptyScan(table: TableName, schema: Schema): Scan {
  const nothing = { snapshotId: null, sequenceNumber: 0n, files: [], deletes: [] };
  return { table, uuid: table, schema, ...nothing };
}

/** Incremental models carry them; to take them for there is to judge too little rather than too much. */
function withProvenance(columns: readonly Column[]): Schema {
  const own = columns.filter((column) => !isReserved(column.name));
  return freshSchema([...own, ...PROVENANCE_COLUMNS], new Set());
}

/** Null for what says nothing about columns, or may hold for columns of another moment. */
function missingColumn({ model, analysis }: ModelNode, thrown: unknown): LakeError | null {
  if (!(thrown instanceof LakeError)) throw thrown;
  const isMoved = analysis.tables.some((ref) => ref.at !== null || ref.name.includes("@"));
  if (thrown.context.subtype !== "COLUMN_NOT_FOUND" || isMoved) return null;
  const { place } = thrown;
  const line = (place?.line ?? 1) + model.sqlLine - 1;
  return new LakeError("sql", thrown.message, {
    ...(thrown.hint === null ? {} : { hint: thrown.hint }),
    place: { file: model.file, line, column: place?.column ?? 1, length: place?.length ?? 1 },
    page: "T0203",
    cause: thrown,
  });
}
