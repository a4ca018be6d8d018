/** JSON output with exact numbers: one object a row, as lines or as one array. */

import type { Cell, Chunk, ResultColumn, Tagged, ValueType } from "../../sql/query/result.ts";
import { cellText, decimalText, floatText } from "./text.ts";

/**
 * How numbers that a JavaScript reader would bend are written: `js` as text, `exact` as bare numbers with all
 * their digits.
 */
export type JsonNumbers = "js" | "exact";

/** A function that writes each row of a chunk as one JSON object, without line ends. */
export function jsonRows(
  columns: readonly ResultColumn[],
  numbers: JsonNumbers,
  timezone: string,
): (chunk: Chunk) => string[] {
  const keys = uniqueNames(columns).map((name) => JSON.stringify(name));
  const writers = columns.map((column) => jsonWriter(column.type, numbers, timezone));
  return (chunk) => {
    const rows: string[] = [];
    for (let row = 0; row < chunk.rowCount; row++) {
      const members = keys.map((key, index) => {
        const cell = chunk.columns[index]?.[row] ?? null;
        return `${key}:${writers[index]?.(cell) ?? "null"}`;
      });
      rows.push(`{${members.join(",")}}`);
    }
    return rows;
  };
}

/** Column names with `_1`, `_2` after names that were there before, as DuckDB does in subqueries. */
export function uniqueNames(columns: readonly ResultColumn[]): string[] {
  const taken = new Set<string>();
  return columns.map(({ name }) => {
    let unique = name;
    for (let copy = 1; taken.has(unique); copy++) unique = `${name}_${copy}`;
    taken.add(unique);
    return unique;
  });
}

/** One cell as JSON text. */
export type WriteJson = (cell: Cell) => string;

/** DuckDB promises 15 significant decimal digits through a double (IEEE 754 binary64). */
const SAFE_DIGITS = 15;

/** A function that writes one value as JSON, or `null`. */
export function jsonWriter(type: ValueType, numbers: JsonNumbers, timezone: string): WriteJson {
  const write = notNullWriter(type, numbers, timezone);
  return (cell) => (cell === null ? "null" : write(cell));
}

function notNullWriter(type: ValueType, numbers: JsonNumbers, timezone: string): WriteJson {
  switch (type.kind) {
    case "boolean":
      return String;
    case "integer":
    case "bignum":
      return (cell) => {
        const text = String(cell);
        return numbers === "exact" || Number.isSafeInteger(Number(text)) ? text : `"${text}"`;
      };
    case "decimal":
      return (cell) => {
        const unscaled = BigInt(String(cell));
        const text = decimalText(unscaled, type.scale);
        const digits = String(unscaled).replace(/^-/, "").length;
        return numbers === "exact" || digits <= SAFE_DIGITS ? text : `"${text}"`;
      };
    case "float":
    case "double":
      return (cell) => {
        const text = floatText(Number(cell), type.kind === "float");
        return Number.isFinite(Number(cell)) ? text : `"${text}"`;
      };
    case "json":
      // A line end in valid JSON text stands between tokens, never in a string.
      return (cell) => String(cell).replace(/\s*[\r\n]\s*/g, " ");
    case "list": {
      const element = jsonWriter(type.element, numbers, timezone);
      return (cell) => `[${cells(cell).map(element).join(",")}]`;
    }
    case "struct": {
      const keys = type.fields.map((field) => JSON.stringify(field.name));
      const writers = type.fields.map((field) => jsonWriter(field.type, numbers, timezone));
      const isTuple = type.fields.every((field) => field.name === "");
      return (cell) => {
        const parts = cells(cell).map((item, index) => writers[index]?.(item) ?? "null");
        if (isTuple) return `[${parts.join(",")}]`;
        return `{${parts.map((part, index) => `${keys[index]}:${part}`).join(",")}}`;
      };
    }
    case "map":
      return mapWriter(type, numbers, timezone);
    case "union": {
      const writers = new Map(
        type.members.map((member) => [member.name, jsonWriter(member.type, numbers, timezone)]),
      );
      return (cell) => {
        const { tag, value } = cell as Tagged; // parse: the cell of a union, see Cell
        return `{${JSON.stringify(tag)}:${writers.get(tag)?.(value) ?? "null"}}`;
      };
    }
    default: {
      const text = cellText(type, timezone);
      return (cell) => JSON.stringify(text(cell));
    }
  }
}

function mapWriter(
  type: Extract<ValueType, { kind: "map" }>,
  numbers: JsonNumbers,
  timezone: string,
): WriteJson {
  const key = cellText(type.key, timezone);
  const value = jsonWriter(type.value, numbers, timezone);
  return (cell) => {
    const members = cells(cell).map((pair) => {
      const [k = null, v = null] = cells(pair);
      return `${JSON.stringify(key(k) ?? "NULL")}:${value(v)}`;
    });
    return `{${members.join(",")}}`;
  };
}

function cells(cell: Cell): readonly Cell[] {
  return Array.isArray(cell) ? cell : [];
}
