/** Few rows that stand in columns already, written as a file of their table: without the engine, in a millisecond. */

import { join } from "node:path";
import type { StagedFile } from "../../../core/engine.ts";
import { RESCUED_COLUMN, ROW_ORDER_KEY } from "../../../core/table/system-columns.ts";
import type { Type } from "../../../core/table/types.ts";
import type { GroupContext } from "../group-write.ts";
import type { Prepared } from "../prepared.ts";
import { sourceColumns } from "../target-columns.ts";
import type { PartColumn } from "./column-part.ts";
import { type DataField, type PartField, writeDataFile } from "./part-file.ts";
import { leavesOf } from "./part-leaves.ts";

/** More are worth what the engine does with them: several threads, dictionaries, pages. */
const ROWS_MAX = 16_384;
const BYTES_MAX = 4 * 1024 * 1024;

/** Writes all rows of a file, in the columns that a part has; null, and nothing is touched, where they are too many. */
export type WriteDataFile = (fields: readonly PartField[], rowCount: number) => StagedFile | null;

/** For the only file of a batch whose rows are in one partition; null where that is not known. */
export function dataFileWriter(context: GroupContext, prepared: Prepared): WriteDataFile | null {
  const { request, constant } = context;
  const isPlain = request.schema.fields.every(({ type }) => isPlainType(type));
  if (constant === null || request.read.folders || !isPlain) return null;
  return (fields, rowCount) => {
    const sizeBytes = fields
      .flatMap(({ leaves }) => leaves)
      .reduce((sum, leaf) => sum + leaf.sizeBytes, 0);
    if (rowCount > ROWS_MAX || sizeBytes > BYTES_MAX) return null;
    const path = join(request.staging, `${context.nextName()}.parquet`);
    const order = { [ROW_ORDER_KEY]: String(prepared.rowsBefore) };
    const columns = dataFields(context, prepared.file.name, fields, rowCount);
    const written = writeDataFile(path, columns, rowCount, order);
    return { path, rows: BigInt(rowCount), sizeBytes: BigInt(written), partition: constant };
  };
}

/** The columns of the table: those of the part, constants of the batch, and nothing. */
function dataFields(
  { request }: GroupContext,
  fileName: string,
  fields: readonly PartField[],
  rowCount: number,
): readonly DataField[] {
  const micros = Buffer.alloc(8);
  micros.writeBigInt64LE(BigInt(request.ingestedAtMs) * 1000n);
  const constants = new Map([
    ["_source", Buffer.from(request.source)],
    ["_source_file", Buffer.from(fileName)],
    ["_batch", Buffer.from(request.batch)],
    ["_ingested_at", micros],
  ]);
  const leavesByName = new Map(
    sourceColumns(request).map(({ field }, index) => [field.name, fields[index]?.leaves]),
  );
  leavesByName.set(RESCUED_COLUMN.name, fields.at(-1)?.leaves);
  return request.schema.fields.map(({ id, name, type }) => {
    const constant = constants.get(name);
    if (constant !== undefined) return { id, name, type, leaves: [], constant };
    return { id, name, type, leaves: leavesByName.get(name) ?? nothing(type, rowCount) };
  });
}

function nothing(type: Type, rowCount: number): readonly PartColumn[] {
  const leaves = leavesOf(type);
  for (const leaf of leaves) leaf.missing(0, rowCount);
  return leaves;
}

/** Values, lists and structs of them. */
function isPlainType(type: Type): boolean {
  const isValue = (one: Type): boolean => one.kind === "primitive" || one.kind === "decimal";
  if (type.kind === "struct") return type.fields.every((field) => isValue(field.type));
  return isValue(type.kind === "list" ? type.element : type);
}
