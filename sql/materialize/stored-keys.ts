/** The keys that a run by keys touches, and the stored rows that they have. */

import type { MaterializeRequest } from "../../core/engine.ts";
import { KEYED_SHARE_MAX, KEYED_SHARE_ROWS } from "../../core/limits.ts";
import { PROVENANCE_COLUMNS } from "../../core/table/system-columns.ts";
import { FILE_COLUMN, POSITION_COLUMN } from "../bind/scan.ts";
import type { DuckDB } from "../duckdb/duckdb.ts";
import { quoteIdentifier } from "../syntax/quote.ts";
import { KEYS, rowsOfKeys } from "./changed-rows.ts";
import { isCoarse, isTouchedSql, type Keyed, keyParts } from "./key-parts.ts";
import { type Computed, columnList, type Staging, type StoredTable, storedSql } from "./rows.ts";
import { isUntouched } from "./size.ts";
import { touchedSql } from "./window-time.ts";

/** What to put in the place of which rows; or why that is not to be worked out by keys. */
export type KeyedRows =
  | {
      readonly kind: "rows";
      readonly computed: Computed;
      readonly old: string;
      /** Each of the old rows is another one now. */
      readonly isCombined: boolean;
    }
  | Retreat;

export interface Retreat {
  readonly kind: "retreat";
  readonly reason: string;
}

export const PROVENANCE: readonly string[] = PROVENANCE_COLUMNS.map(({ name }) => name);

/** Whether it is the places of source rows that tell rows apart. */
export function isOfRows(key: readonly string[]): boolean {
  return key.some((name) => PROVENANCE.includes(name));
}

export function retreat(reason: string): Retreat {
  return { kind: "retreat", reason };
}

/** Keys without a value are no keys of a merge; and so many keys are as good as all. */
export async function limited(
  db: DuckDB,
  request: MaterializeRequest,
  mode: Keyed,
): Promise<{ readonly kind: "keys"; readonly hasNull: boolean } | Retreat> {
  const isNull = mode.key.map((name) => `${quoteIdentifier(name)} IS NULL`).join(" OR ");
  const [row] = await db.rows(
    `SELECT count(*) AS n, count(*) FILTER (${isNull}) AS nulls FROM ${KEYS}`,
  );
  const hasNull = Number(row?.nulls) > 0;
  const isNeeded = mode.winners !== null || isOfRows(mode.key);
  if (hasNull && isNeeded) return retreat("rows without a key changed");
  const rows = mode.target.files.reduce((sum, { file }) => sum + Number(file.recordCount), 0);
  const share = Number(row?.n) / rows;
  if (!isCoarse(mode, request) && rows > KEYED_SHARE_ROWS && share > KEYED_SHARE_MAX) {
    return retreat(`${Math.round(Math.min(1, share) * 100)} % of its keys changed`);
  }
  return { kind: "keys", hasNull };
}

/** The stored rows of KEYS, with their places, kept once. */
export async function oldRows(
  db: DuckDB,
  staging: Staging,
  request: MaterializeRequest,
  mode: Keyed,
  hasNull: boolean,
): Promise<string> {
  const target: StoredTable = { scan: mode.target, schema: request.schema, spec: request.spec };
  const fields = keyParts(mode, request);
  if (fields.length === 0) return staging.keepPlaced(await storedSql(db, target));
  if (request.windows != null) {
    const [name = ""] = fields.map((one) => one.name);
    const isTouched = await touchedSql(db, request.windows, name);
    const stored = await storedSql(db, target);
    return staging.keepPlaced(
      `SELECT t.* FROM (${stored}) AS t WHERE ${isTouched(quoteIdentifier(name))}`,
    );
  }
  if (hasNull || isCoarse(mode, request)) {
    const stored = await storedSql(db, target);
    return staging.keepPlaced(
      `SELECT t.* FROM (${stored}) AS t WHERE ${isTouchedSql(fields, hasNull)}`,
    );
  }
  const { keyIndexes: indexes, rewrittenRowsMax: indexedRowsMin } = request;
  const key = fields.map(({ name }) => name);
  // An index pays from the second run on.
  const makesIndexes = !isUntouched(mode.target, request.rewrittenRowsMax);
  const wanted = { target, key, indexes, indexedRowsMin, staging, holdsRows: true, makesIndexes };
  const what = `${columnList(target.schema.fields)}, ${FILE_COLUMN}, ${POSITION_COLUMN}`;
  return staging.keepPlaced(await rowsOfKeys(db, wanted, what, "TRUE", false));
}
