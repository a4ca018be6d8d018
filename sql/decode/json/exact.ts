/** JSON values as exact values. */

import type { Type } from "../../../core/table/types.ts";
import { decimalOf, Entries, type Exact } from "../lossless/exact-value.ts";
import { survivesDouble } from "../lossless/text-fit.ts";
import { findName } from "../target-columns.ts";
import { type JsonNode, textOf } from "./parse.ts";

/** The value as it is. */
export function exactOf(node: JsonNode): Exact {
  switch (node.kind) {
    case "null":
      return null;
    case "boolean":
    case "string":
      return node.value;
    case "number":
      return exactNumber(node.raw);
    case "array":
      return node.items.map(exactOf);
    case "object":
      return new Entries([...node.entries].map(([key, item]) => [key, exactOf(item)]));
  }
}

/** The value for a place of `type`: where that is a text, the text as it stands. */
export function exactFor(node: JsonNode, type: Type): Exact {
  if (type.kind === "primitive" && type.name === "string") {
    return type.awaits === undefined ? textOf(node) : exactOf(node);
  }
  if (type.kind === "list" && node.kind === "array") {
    return node.items.map((item) => exactFor(item, type.element));
  }
  if (node.kind !== "object" || (type.kind !== "struct" && type.kind !== "map")) {
    return exactOf(node);
  }
  const fields = type.kind === "struct" ? type.fields : [];
  const names = fields.map(({ name }) => name);
  const typeOf = (key: string): Type | undefined =>
    type.kind === "map" ? type.value : fields[findName(names, key)]?.type;
  return new Entries(
    [...node.entries].map(([key, item]) => {
      const inner = typeOf(key);
      return [key, inner === undefined ? exactOf(item) : exactFor(item, inner)];
    }),
  );
}

/** A number that no type holds is a text. */
function exactNumber(raw: string): Exact {
  if (/^-?\d+$/.test(raw) && raw !== "-0") return BigInt(raw);
  return survivesDouble(raw) ? Number(raw) : (decimalOf(raw) ?? raw);
}
