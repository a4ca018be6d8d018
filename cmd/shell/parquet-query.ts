/** Queries whose results Parquet files hold without bending a value. */

import type { QuerySession } from "../../sql/query/query.ts";
import { quoteIdentifier } from "../../sql/syntax/quote.ts";
import { splitStatements } from "../../sql/syntax/statement.ts";
import { replacedTypes } from "../../sql/syntax/type-words.ts";

/** Parquet's own types have less room than the engine's; what does not fit is an error, never another value. */
const PARQUET_CASTS: Readonly<Record<string, string>> = {
  HUGEINT: "DECIMAL(38,0)",
  UHUGEINT: "DECIMAL(38,0)",
};

/** Behind comments and parentheses. */
const QUERY = /^(?:\s|--[^\n]*\n|\/\*[\s\S]*?\*\/|\()*(?:select|from|with|values|pivot|unpivot)\b/i;

/** Of the result of a query. */
export async function columnsOf(
  query: QuerySession,
  sql: string,
): Promise<readonly { readonly name: string; readonly type: string }[]> {
  const columns: { name: string; type: string }[] = [];
  for await (const { result } of query.run(`DESCRIBE ${inner(sql)}`)) {
    if (result === null) continue;
    for await (const { columns: cells, rowCount } of result.chunks()) {
      for (let row = 0; row < rowCount; row++) {
        columns.push({ name: String(cells[0]?.[row]), type: String(cells[1]?.[row]) });
      }
    }
  }
  return columns;
}

/** The query with its whole numbers beyond 64 bits as decimals; as it is where that is no single query. */
export async function parquetQuery(query: QuerySession, sql: string): Promise<string> {
  if (splitStatements(sql).length !== 1 || !QUERY.test(sql)) return sql;
  const casts = (await columnsOf(query, sql)).flatMap(({ name, type }) => {
    const to = replacedTypes(type, PARQUET_CASTS);
    return to === type ? [] : [`${quoteIdentifier(name)}::${to} AS ${quoteIdentifier(name)}`];
  });
  return casts.length === 0 ? sql : `SELECT * REPLACE (${casts.join(", ")}) FROM (${inner(sql)}\n)`;
}

/** Without the semicolon at its end. */
function inner(sql: string): string {
  return sql.trim().replace(/;\s*$/, "");
}
