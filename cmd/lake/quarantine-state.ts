/** `lake.quarantine`: each row that was ever set aside, once, with what became of it. */

import { splitName } from "../../core/table/name.ts";
import type { TableName } from "../../core/table/types.ts";
import { quoteIdentifier, quoteLiteral, quoteQualified } from "../../sql/syntax/quote.ts";

const SUFFIX = "_quarantine";
/** What a row that was set aside says of itself. */
const COLUMNS = [
  "source",
  "file",
  "position",
  "line",
  "column_name",
  "reason",
  "message",
  "file_sha256",
] as const;

/** What the query of the view answers, in order. */
export const QUARANTINE_STATE_COLUMNS: readonly { readonly name: string; readonly type: string }[] =
  [
    { name: "id", type: "varchar" },
    { name: "status", type: "varchar" },
    { name: "changed_at", type: "timestamp with time zone" },
    { name: "set_aside_at", type: "timestamp with time zone" },
    ...COLUMNS.map((name) => ({ name, type: name === "line" ? "bigint" : "varchar" })),
    { name: "batch", type: "varchar" },
    { name: "note", type: "varchar" },
    { name: "table_schema", type: "varchar" },
    { name: "table_name", type: "varchar" },
  ];

/**
 * The query of the view, over the quarantine tables among `tables` and over `closed`, the quoted name of a table with
 * the last event of each row and, without an id, the files that are gone. A row without either is open; one that a
 * rebuild took out of its table has only its end.
 */
export function quarantineState(tables: readonly TableName[], closed: string): string {
  const asides = tables.flatMap((table) => {
    const { namespace, table: name } = splitName(table);
    if (!namespace.endsWith(SUFFIX)) return [];
    const layer = namespace.slice(0, -SUFFIX.length);
    return [asideSql(table, quoteLiteral(layer), quoteLiteral(name))];
  });
  const shown = COLUMNS.map((column) => `q.${quoteIdentifier(column)}`);
  return `SELECT id, coalesce(nullif(c.status, 'open'), g.status, 'open') AS status,
      coalesce(c.changed_at, g.changed_at, q.set_aside_at) AS changed_at, q.set_aside_at,
      ${shown.join(", ")}, coalesce(q.batch, c.batch) AS batch, coalesce(c.note, g.note) AS note,
      coalesce(q.table_schema, c.table_schema) AS table_schema,
      coalesce(q.table_name, c.table_name) AS table_name
    FROM (SELECT * FROM (${[NOTHING, ...asides].join(" UNION ALL BY NAME ")})
      QUALIFY row_number() OVER (PARTITION BY id ORDER BY set_aside_at DESC) = 1) AS q
    FULL JOIN (SELECT * FROM ${closed} WHERE id IS NOT NULL) AS c USING (id)
    LEFT JOIN (SELECT * FROM ${closed} WHERE id IS NULL) AS g
      ON g.batch = q.batch AND g.file = q.file`;
}

/** With the types that the columns have when there is no quarantine table yet. */
const NOTHING = `SELECT NULL::VARCHAR AS id, ${COLUMNS.map(
  (column) => `NULL::${column === "line" ? "BIGINT" : "VARCHAR"} AS ${quoteIdentifier(column)}`,
).join(", ")}, NULL::VARCHAR AS batch, NULL::TIMESTAMPTZ AS set_aside_at,
  NULL::VARCHAR AS table_schema, NULL::VARCHAR AS table_name WHERE FALSE`;

function asideSql(table: TableName, layer: string, name: string): string {
  const columns = COLUMNS.map((column) => quoteIdentifier(column)).join(", ");
  return `SELECT id, ${columns}, "_batch" AS batch, "_ingested_at" AS set_aside_at,
    ${layer} AS table_schema, ${name} AS table_name FROM ${quoteQualified(table.split("."))}`;
}
