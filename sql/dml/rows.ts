/** What the statements that change rows share: queries over the tables of the lake, and rows that leave and come. */

import { LakeError } from "../../core/base/errors.ts";
import type { Binding, TableRef } from "../../core/engine.ts";
import { REWRITTEN_ROWS_MAX, STATEMENT_DEAD_SHARE_MAX } from "../../core/limits.ts";
import { isHidden, isLineage, ROW_ID_ID, withLineage } from "../../core/table/system-columns.ts";
import type { Field, Schema, TableName } from "../../core/table/types.ts";
import { bindSelect, relocated } from "../bind/bind.ts";
import { FILE_COLUMN, POSITION_COLUMN } from "../bind/scan.ts";
import type { DuckDB } from "../duckdb/duckdb.ts";
import { LOSERS, publish } from "../materialize/publish.ts";
import { columnList, Staging, storedSql } from "../materialize/rows.ts";
import { explained } from "../query/error.ts";
import type { FoundTables } from "../query/table-lookup.ts";
import { isSymbol, nameOf, tokensOf } from "../syntax/lexer.ts";
import { quoteIdentifier } from "../syntax/quote.ts";
import { statementTime, tablesIn } from "../syntax/table-ref.ts";
import type { Value } from "./fit.ts";
import type { LakeWriter } from "./lake-writer.ts";
import type { Pending, PendingTable } from "./pending.ts";
import type { Target } from "./target.ts";

/** The column of rows' ids, quoted. */
export const ROW_ID = quoteIdentifier("_row_id");

/** What a statement is worked out with. */
export interface ChangeContext {
  readonly db: DuckDB;
  /** As it was written. */
  readonly sql: string;
  readonly writer: LakeWriter;
  readonly pending: Pending;
  /** What names mean, as of the transaction and with what it did; notes what is read. */
  find(refs: readonly TableRef[], atTime: () => Promise<number>): Promise<FoundTables>;
}

/** A query and its columns. */
export interface BoundRows {
  /** A SELECT of `c0`, `c1`, … */
  readonly sql: string;
  readonly columns: readonly (Value & { readonly name: string })[];
  /** Tables of the lake that it reads. */
  readonly reads: ReadonlySet<TableName>;
}

/** The rows of the table that is changed, as a statement of ours names them. */
export class Placed {
  readonly table: PendingTable;
  /** What stands in FROM, with its alias. */
  readonly from: string;
  /** Where a row stands, to be selected. */
  readonly places: string;
  readonly ref: string;
  /** A SELECT of those rows that may matter: their places, and the columns that do; null: all. */
  found: string | null = null;
  /** What the row's id is called, to be selected; null where rows have none. */
  readonly rowId: string | null;
  /** The parts of `places`. */
  readonly file: string;
  readonly position: string;
  readonly #target: Target;
  readonly #file: string;
  readonly #position: string;
  readonly #rowId: string | null;

  constructor(table: PendingTable, target: Target, sql: string) {
    this.table = table;
    this.#target = target;
    const taken = sql.toLowerCase() + table.schema.fields.map(({ name }) => name).join(" ");
    this.ref = fresh("lake_target", taken);
    this.#file = fresh("lake_file", taken);
    this.#position = fresh("lake_position", taken);
    const alias = quoteIdentifier(target.alias);
    this.from = `${this.ref} AS ${alias}`;
    this.file = `${alias}.${this.#file}`;
    this.position = `${alias}.${this.#position}`;
    this.places = `${this.file}, ${this.position}`;
    const hasIds = table.scan.hasLineage === true;
    this.#rowId = hasIds ? fresh("lake_row_id", taken) : null;
    this.rowId = this.#rowId === null ? null : `${alias}.${this.#rowId}`;
  }

  column({ name }: Field): string {
    return `${quoteIdentifier(this.#target.alias)}.${quoteIdentifier(name)}`;
  }

  /** A SELECT of the rows, with their places; of `found` alone where those are known that may matter. */
  async rows(db: DuckDB): Promise<string> {
    const stored = this.found ?? (await storedSql(db, identifiedTable(this.table)));
    const ids = this.#rowId === null ? [] : [ROW_ID];
    const columns =
      this.found === null
        ? columnList(this.table.schema.fields)
        : `* EXCLUDE (${[FILE_COLUMN, POSITION_COLUMN, ...ids].join(", ")})`;
    const id = this.#rowId === null ? "" : `, ${ROW_ID} AS ${this.#rowId}`;
    const places = `${FILE_COLUMN} AS ${this.#file}, ${POSITION_COLUMN} AS ${this.#position}`;
    return `SELECT ${columns}, ${places}${id} FROM (${stored})`;
  }

  /** `gold.daily.id` as `daily.id`: in a statement of ours the table has no schema. */
  text(sql: string): string {
    const { parts, hasAlias, alias } = this.#target;
    if (hasAlias || parts.length < 2) return sql;
    const tokens = tokensOf(sql);
    let output = "";
    let at = 0;
    for (const [index, token] of tokens.entries()) {
      const isName = parts.every((part, nth) => {
        const own = tokens[index + 2 * nth];
        const isSame = own !== undefined && nameOf(own).toLowerCase() === part.toLowerCase();
        return isSame && isSymbol(tokens[index + 2 * nth + 1], ".");
      });
      if (!isName || isSymbol(tokens[index - 1], ".")) continue;
      output += sql.slice(at, token.start) + quoteIdentifier(alias);
      at = tokens[index + 2 * parts.length - 2]?.end ?? token.end;
    }
    return output + sql.slice(at);
  }
}

/** Binds a query of ours or of the statement, with the rows of the table that is changed where it has them. */
export async function boundRows(
  context: ChangeContext,
  sql: string,
  placed: Placed | null = null,
): Promise<BoundRows> {
  const { db } = context;
  try {
    const atTime = statementTime(db);
    const refs = await tablesIn(db, sql, atTime);
    const found = await context.find(
      refs.filter(({ name }) => name !== placed?.ref),
      atTime,
    );
    const bindings = [...found.bindings, ...(placed === null ? [] : [bindingOf(placed)])];
    const rows = placed === null ? "" : await placed.rows(db);
    const wrap = (ref: TableRef, own: string) => (ref.name === placed?.ref ? rows : own);
    const bound = await bindSelect(db, sql, bindings, { runTimeMs: null, atTime, wrap });
    const described = await db.rows(`DESCRIBE ${bound.sql}`);
    const columns = described.map((row, index) => ({
      name: String(row.column_name),
      sql: `c${index}`,
      type: String(row.column_type),
    }));
    const names = columns.map((column) => column.sql).join(", ");
    return {
      sql: `SELECT * FROM (${bound.sql}) AS lake_rows(${names})`,
      columns,
      reads: readsOf(found.bindings),
    };
  } catch (thrown) {
    throw explained(relocated(thrown, context.sql));
  }
}

/**
 * Takes the rows of LOSERS out of a table and puts those of a SELECT in; with `keepsIds` these have the columns of
 * `identifiedTable`.
 */
export async function replaceRows(
  context: ChangeContext,
  table: PendingTable,
  staging: Staging,
  added: string,
  mode: "delete" | "update" | "merge",
  keepsIds = false,
): Promise<void> {
  table.look();
  const published = await publish(context.db, staging, storedTable(table), added, {
    name: "data",
    rewrittenRowsMax: rewrittenRowsMax(table, mode),
    ...(table.property(`write.${mode}.mode`) === null
      ? { deadShareMax: STATEMENT_DEAD_SHARE_MAX }
      : {}),
    unpublished: table.unpublished,
    keepsIds,
  });
  table.change(published.data, published.deletes, published.replaced);
}

/** Fills LOSERS with the places that a SELECT of FILE_COLUMN and POSITION_COLUMN gives; how many there are. */
export async function loseRows(db: DuckDB, places: string): Promise<bigint> {
  await db.run(`CREATE OR REPLACE TEMP TABLE lake_losers AS ${places}`);
  const [row] = await db.rows(`SELECT count(*) AS n FROM ${LOSERS}`);
  return BigInt(String(row?.n));
}

export function storedTable({ scan, schema, spec }: PendingTable) {
  return { scan, schema, spec };
}

/**
 * The columns of `identifiedTable` that the table itself has not, to be selected of rows that a statement changes: each
 * is the row that it was under `id`, and is changed by this commit. Null: a new row.
 */
export function idItems(table: PendingTable, id: string | null): string[] {
  return identifiedTable(table)
    .schema.fields.filter(isLineage)
    .map((field) => {
      const value = field.id === ROW_ID_ID && id !== null ? id : "NULL::BIGINT";
      return `${value} AS ${quoteIdentifier(field.name)}`;
    });
}

/** The same, with the columns that tell rows of before, where the table has them. */
export function identifiedTable(table: PendingTable) {
  return { ...storedTable(table), schema: withLineage(table.schema, table.scan) };
}

/** Where a statement works: gone when it has ended, but for what it has written. */
export async function stagingOf({ db, writer }: ChangeContext): Promise<Staging> {
  return new Staging(db, await writer.stagingFolder());
}

export function visibleFields({ fields }: Schema): Field[] {
  return fields.filter(({ name }) => !isHidden(name));
}

/** A column by its name as written. */
export function fieldOf({ name: table, schema }: PendingTable, name: string): Field {
  const fields = visibleFields(schema);
  const field = fields.find((one) => one.name.toLowerCase() === name.toLowerCase());
  if (field !== undefined) return field;
  throw new LakeError("sql", `${table} has no column ${name}`, {
    hint: `columns are: ${fields.map((one) => one.name).join(", ")}`,
  });
}

export function refuseTwice(fields: readonly Field[], verb: string): void {
  const twice = fields.find((field, index) => fields.indexOf(field) !== index);
  if (twice === undefined) return;
  throw new LakeError("sql", `${verb} names ${twice.name} twice`, {
    hint: "name each column once",
  });
}

/** By cost, unless the table says how. Iceberg: `write.delete.mode` and its kin. */
function rewrittenRowsMax(table: PendingTable, mode: "delete" | "update" | "merge"): number | null {
  const said = table.property(`write.${mode}.mode`);
  if (said === "copy-on-write") return null;
  return said === "merge-on-read" ? 0 : REWRITTEN_ROWS_MAX;
}

function bindingOf({ ref, table }: Placed): Binding {
  return { kind: "scan", ref: { name: ref, at: null, offset: null }, scan: table.scan };
}

function readsOf(bindings: readonly Binding[]): Set<TableName> {
  const names = bindings.flatMap((binding) =>
    binding.kind === "scan" ? [binding.scan.table] : [...readsOf(binding.bindings)],
  );
  return new Set(names);
}

function fresh(word: string, taken: string): string {
  let name = word;
  while (taken.includes(name)) name += "_";
  return name;
}
