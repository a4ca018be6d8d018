/** Rows as a replay script sees them: the type of a value follows from its column, never from the value. */

import type { Json } from "../../core/base/json.ts";
import { parseJson } from "../../core/base/json.ts";
import type { Cell, ValueType } from "../../sql/query/result.ts";
import { jsonWriter, uniqueNames } from "../format/json.ts";
import { cellText } from "../format/text.ts";
import { eachResult } from "../lake/query.ts";
import type { Session } from "../open.ts";

/** All rows of one query: 64-bit integers are bigint, decimals and times are text, nested values are JSON. */
export async function scriptRows(session: Session, sql: string): Promise<Record<string, Json>[]> {
  const rows: Record<string, Json>[] = [];
  const { timezone } = session.config;
  await eachResult(session, sql, async ({ columns, chunks }) => {
    const names = uniqueNames(columns);
    const values = columns.map((column) => valueReader(column.type, timezone));
    for await (const chunk of chunks()) {
      for (let row = 0; row < chunk.rowCount; row++) {
        const cellAt = (index: number): Cell => chunk.columns[index]?.[row] ?? null;
        const members = names.map((name, index) => [name, values[index]?.(cellAt(index)) ?? null]);
        rows.push(Object.fromEntries(members));
      }
    }
  });
  return rows;
}

function valueReader(type: ValueType, timezone: string): (cell: Cell) => Json {
  const read = notNullReader(type, timezone);
  return (cell) => (cell === null ? null : read(cell));
}

function notNullReader(type: ValueType, timezone: string): (cell: Cell) => Json {
  switch (type.kind) {
    case "boolean":
      return (cell) => cell === true;
    case "integer":
      return type.bits < 64 ? Number : (cell) => BigInt(String(cell));
    case "bignum":
      return (cell) => BigInt(String(cell));
    case "float":
    case "double":
      return Number;
    case "json":
    case "list":
    case "struct":
    case "map":
    case "union": {
      const write = jsonWriter(type, "js", timezone);
      return (cell) => parseJson(write(cell));
    }
    default:
      return cellText(type, timezone);
  }
}
