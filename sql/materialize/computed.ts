/** The rows of a model's query as rows of its table: bound, named, cast without loss, with provenance. */

import { LakeError } from "../../core/base/errors.ts";
import type { MaterializeRequest, TableRef } from "../../core/engine.ts";
import { PROVENANCE_COLUMNS } from "../../core/engine.ts";
import type { Column, Field } from "../../core/table/types.ts";
import { columnsOf } from "../analysis/describe.ts";
import { CARRIED_COLUMNS, carryProvenance } from "../analysis/provenance.ts";
import { bindSelect } from "../bind/bind.ts";
import type { DuckDB } from "../duckdb/duckdb.ts";
import { duckDBType, isLossless, typeText } from "../duckdb/types.ts";
import { explained } from "../query/error.ts";
import { quoteIdentifier, quoteLiteral } from "../syntax/quote.ts";

const PROVENANCE_NAMES: readonly string[] = PROVENANCE_COLUMNS;

export interface Computed {
  /** A SELECT of the schema's columns, in order. */
  readonly sql: string;
  /** An error of it, in the terms of the model's text. */
  locate(thrown: unknown): unknown;
}

/**
 * Binds the query and fits it to `request.schema`. Throws LakeError `schema` when a column is missing, new, or of a
 * type that the table's column cannot hold exactly; the hint is the cast to write.
 */
export async function computedRows(
  db: DuckDB,
  request: MaterializeRequest,
  wrap: ((ref: TableRef, sql: string) => string) | null = null,
): Promise<Computed> {
  const bound = await bindSelect(db, request.sql, request.bindings, {
    runTimeMs: request.runTimeMs,
    orderTies: true,
    ...(request.driver === null ? {} : { rewrite: carryProvenance(request.driver) }),
    ...(wrap === null ? {} : { wrap }),
  });
  let columns: readonly Column[];
  try {
    columns = await columnsOf(db, bound.sql);
  } catch (thrown) {
    throw explained(bound.locate(thrown));
  }
  const items = request.schema.fields.map((field) => itemSql(request, field, columns));
  refuseNewColumns(request, columns);
  return { sql: `SELECT ${items.join(", ")} FROM (${bound.sql}) AS q`, locate: bound.locate };
}

/** The names of the schema's columns, quoted and joined. */
export function columnList(fields: readonly Field[], alias: string | null = null): string {
  const prefix = alias === null ? "" : `${alias}.`;
  return fields.map((field) => `${prefix}${quoteIdentifier(field.name)}`).join(", ");
}

function itemSql(request: MaterializeRequest, field: Field, columns: readonly Column[]): string {
  const name = quoteIdentifier(field.name);
  const place = PROVENANCE_NAMES.indexOf(field.name);
  const carried = request.driver === null ? undefined : CARRIED_COLUMNS[place];
  if (carried !== undefined) {
    return `CAST(q.${quoteIdentifier(carried)} AS ${duckDBType(field.type)}) AS ${name}`;
  }
  const column = columns.find((candidate) => sameName(candidate.name, field.name));
  if (column === undefined) {
    const isProvenance = PROVENANCE_COLUMNS.some((provenance) => provenance === field.name);
    if (isProvenance) return `NULL::${duckDBType(field.type)} AS ${name}`;
    throw new LakeError(
      "schema",
      `${request.model} has a column ${field.name} that its query does not give`,
      {
        hint: `add it to the query, or rebuild the table without it: tarn build ${request.model} --full`,
        context: { model: request.model, column: field.name },
      },
    );
  }
  if (!isLossless(column.type, field.type)) throw misfit(request, field, column);
  const own = `q.${quoteIdentifier(column.name)}`;
  const value = `CAST(${own} AS ${duckDBType(field.type)})`;
  const text = quoteLiteral(`${request.model}: ${field.name} is required and NULL`);
  const checked = field.required
    ? `CASE WHEN ${own} IS NULL THEN error(${text}) ELSE ${value} END`
    : value;
  return `${checked} AS ${name}`;
}

function misfit(request: MaterializeRequest, field: Field, column: Column): LakeError {
  const name = quoteIdentifier(field.name);
  const has = typeText(column.type);
  const wants = typeText(field.type);
  const cast = `${name}::${duckDBType(field.type)} AS ${name}`;
  return new LakeError(
    "schema",
    `${request.model}: ${field.name} is ${has} in the query and ${wants} in the table`,
    {
      hint: `write the cast you mean: ${cast}, or rebuild: tarn build ${request.model} --full`,
      context: { model: request.model, column: field.name, query: has, table: wants },
    },
  );
}

function refuseNewColumns(request: MaterializeRequest, columns: readonly Column[]): void {
  const extra = columns.find(
    (column) =>
      !CARRIED_COLUMNS.includes(column.name) &&
      !(request.driver !== null && PROVENANCE_COLUMNS.some((name) => name === column.name)) &&
      !request.schema.fields.some((field) => sameName(field.name, column.name)),
  );
  if (extra === undefined) return;
  throw new LakeError(
    "schema",
    `${request.model} has no column ${extra.name}, which its query gives`,
    {
      hint: `rebuild the table with it: tarn build ${request.model} --full`,
      context: { model: request.model, column: extra.name },
    },
  );
}

function sameName(a: string, b: string): boolean {
  return a.toLowerCase() === b.toLowerCase();
}
