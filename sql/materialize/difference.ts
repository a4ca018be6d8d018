/** The rows in which two states of an input differ. */

import type { InputChange } from "../../core/engine.ts";
import type { Scan, Schema } from "../../core/table/types.ts";
import { deadRowsSql } from "../bind/deletes.ts";
import { FILE_COLUMN, POSITION_COLUMN, scanSql } from "../bind/scan.ts";
import type { DuckDB } from "../duckdb/duckdb.ts";
import { duckDBType } from "../duckdb/types.ts";
import { ownName, quoteIdentifier } from "../syntax/quote.ts";

/** A SELECT of the rows that one of two states has and the other has not. */
export async function differenceSql(
  db: DuckDB,
  { removed, added, marked }: InputChange,
  schema: Schema,
  hidden: ReadonlySet<string>,
): Promise<string> {
  const addedSql = await scanSql(db, added, { hidden, schema });
  const parts: string[] = [];
  if (removed.files.length === 0) {
    parts.push(addedSql);
  } else {
    const removedSql = await scanSql(db, removed, { hidden, schema });
    // What was only written again is on both sides.
    parts.push(onlyIn(addedSql, removedSql, schema), onlyIn(removedSql, addedSql, schema));
  }
  if (marked !== null) parts.push(await markedSql(db, marked, schema, hidden));
  return parts.map((part) => `SELECT * FROM (${part})`).join(" UNION ALL ");
}

/** Rows that one SELECT has and another has not. Of two zeros, which are equal to a set operation, the sign is kept. */
function onlyIn(one: string, other: string, { fields }: Schema): string {
  const floats = fields.filter(({ type }) => ["FLOAT", "DOUBLE"].includes(duckDBType(type)));
  if (floats.length === 0) return `(${one}) EXCEPT ALL (${other})`;
  const columns = floats.map(({ name }, index) => {
    const [own, sign] = [quoteIdentifier(name), quoteIdentifier(ownName(`sign ${index}`))];
    return { own, sign, signed: `if(${sign}, -abs(${own}), abs(${own})) AS ${own}` };
  });
  const list = (of: (column: (typeof columns)[number]) => string) => columns.map(of).join(", ");
  const [ours, theirs] = [one, other].map((sql) => {
    return `SELECT *, ${list(({ own, sign }) => `signbit(${own}) AS ${sign}`)} FROM (${sql})`;
  });
  return (
    `SELECT * EXCLUDE (${list(({ sign }) => sign)}) REPLACE (${list(({ signed }) => signed)}) ` +
    `FROM ((${ours}) EXCEPT ALL (${theirs}))`
  );
}

/** Rows of files that are deleted in one of two states and not in the other. */
async function markedSql(
  db: DuckDB,
  { before, after }: NonNullable<InputChange["marked"]>,
  schema: Schema,
  hidden: ReadonlySet<string>,
): Promise<string> {
  const dead = (scan: Scan): string =>
    scan.deletes.length === 0
      ? "SELECT NULL::VARCHAR AS local, NULL::BIGINT AS pos WHERE FALSE"
      : `SELECT DISTINCT local, pos FROM (${deadRowsSql(scan, scan.deletes)})`;
  const places = `((${dead(after)}) EXCEPT (${dead(before)})) UNION ((${dead(before)}) EXCEPT (${dead(after)}))`;
  const stored = await scanSql(db, { ...after, deletes: [] }, { hidden, schema, positions: true });
  return (
    `SELECT * EXCLUDE (${FILE_COLUMN}, ${POSITION_COLUMN}) FROM (${stored}) AS t ` +
    `SEMI JOIN (${places}) AS p ON p.local = t.${FILE_COLUMN} AND p.pos = t.${POSITION_COLUMN}`
  );
}
