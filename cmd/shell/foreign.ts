/** A database of others, as tables that a query of the engine can read. */

/** A database as it can be asked. */
export interface Foreign {
  readonly kind: "duckdb" | "sqlite" | "parquet";
  readonly tables: readonly ForeignTable[];
  readonly left: readonly string[];
}

export interface ForeignTable {
  /** As it is called there, and without its schema where that is the usual one. */
  readonly name: string;
  readonly plain: string;
  /** Makes it readable; what reads it, and how it is partitioned. */
  prepare(run: Ask): Promise<Prepared>;
}

export interface Prepared {
  /** A query. */
  readonly sql: string;
  readonly partitionedBy: readonly string[];
  readonly notes: readonly string[];
}

/** Rows of a query of the engine that reads it. */
export type Ask = (sql: string) => Promise<readonly Readonly<Record<string, unknown>>[]>;
