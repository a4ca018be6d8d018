/** A range of time as a condition over rows. */

import { LakeError } from "../../core/base/errors.ts";
import { suggestion } from "../../core/base/suggest.ts";
import type { RangeScope } from "../../core/engine.ts";
import type { TimeRange } from "../../core/table/correction.ts";
import { isHidden } from "../../core/table/system-columns.ts";
import type { Schema, Type } from "../../core/table/types.ts";
import { quoteIdentifier, quoteLiteral } from "../syntax/quote.ts";

/** The rows of a replay as a condition over those of `table`. Throws `not-found` for a column that it does not have. */
export function scopeSql(scope: RangeScope, { fields }: Schema, table: string): string {
  const wanted = scope.column.toLowerCase();
  const column = fields.find((field) => field.name.toLowerCase() === wanted);
  if (column === undefined) {
    const names = fields.map(({ name }) => name).filter((name) => !isHidden(name));
    throw new LakeError("not-found", `${table} has no column ${scope.column}`, {
      hint: `${suggestion(scope.column, names, "columns")}`,
      context: { table, column: scope.column },
    });
  }
  const { where } = scope;
  if (where !== undefined) return `(${where})`;
  return rangeSql(scope, column.name, column.type);
}

/** Half-open; a zoneless column is compared with the bounds as they were written, and a date is its midnight. */
export function rangeSql(scope: TimeRange, name: string, type: Type): string {
  const kind = type.kind === "primitive" ? type.name : type.kind;
  if (kind !== "timestamptz" && kind !== "timestamp" && kind !== "date") {
    throw new LakeError(
      "unsupported",
      `a range over ${name} needs a date or timestamp, and it is ${kind}`,
      {
        hint: "replay --by a date or timestamp column, or by _ingested_at",
        context: { column: name, type: kind },
      },
    );
  }
  const own = quoteIdentifier(name);
  const column = kind === "date" ? `CAST(${own} AS TIMESTAMP)` : own;
  const isZoned = kind === "timestamptz";
  const { fromMs, toMs } = isZoned ? scope : (scope.wall ?? scope);
  if (fromMs !== null && toMs !== null && fromMs >= toMs) {
    throw new LakeError("usage", `the range over ${name} ends before it begins`, {
      hint: "a clock change lies between its bounds; write them with a zone, such as 2026-03-29T01:30:00Z",
      context: { column: name },
    });
  }
  const bound = (ms: number) => {
    const micros = BigInt(Math.round(ms * 1000));
    if (!isZoned && scope.wall !== undefined) return quoteLiteral({ kind: "timestamp", micros });
    const instant = quoteLiteral({ kind: "timestamptz", micros });
    return isZoned ? instant : `CAST(${instant} AS TIMESTAMP)`;
  };
  const parts = [
    ...(fromMs === null ? [] : [`${column} >= ${bound(fromMs)}`]),
    ...(toMs === null ? [] : [`${column} < ${bound(toMs)}`]),
  ];
  return parts.length === 0 ? "TRUE" : `(${parts.join(" AND ")})`;
}
