/**
 * What Debezium sends in place of a large value that did not change, in the shapes that the types make of it: some of
 * those of `unavailable.value.placeholder`, as its connector of PostgreSQL 3.5 sends them.
 */

import { Day, Entries, type Exact, isList } from "../lossless/exact-value.ts";
import type { FieldNode, Fields } from "./change.ts";

/** The fields that were sent, and the names of the others. */
export function withoutUnavailable(
  fields: Fields | null,
): { readonly fields: Fields; readonly unavailable: readonly string[] } | null {
  if (fields === null) return null;
  const unavailable = [...fields].filter(([, value]) => isUnavailable(value)).map(([name]) => name);
  if (unavailable.length === 0) return { fields, unavailable };
  const names = new Set(unavailable);
  return { fields: new Map([...fields].filter(([name]) => !names.has(name))), unavailable };
}

const PLACEHOLDER = "__debezium_unavailable_value";
const TEXTS: ReadonlySet<string> = new Set([
  PLACEHOLDER,
  Buffer.from(PLACEHOLDER).toString("base64"),
  // An hstore in JSON.
  JSON.stringify({ [PLACEHOLDER]: PLACEHOLDER }),
]);
/** The only item of a list: of texts, or of UUIDs, where it is the one of version 3 that is made of the text. */
const ITEMS: ReadonlySet<string> = new Set([PLACEHOLDER, "b68a35a7-17ad-35b3-af2a-ae46edb4545a"]);
/** The items of a list of whole numbers, or of days. */
const CODES = [...PLACEHOLDER].map((sign) => String(sign.charCodeAt(0)));

function isUnavailable(node: FieldNode): boolean {
  switch (node.kind) {
    case "exact":
      return isUnavailableValue(node.value);
    case "string":
      return TEXTS.has(node.value);
    case "object":
      return isPlaceholder(node.entries.get(PLACEHOLDER)) && node.entries.size === 1;
    case "array": {
      const { items } = node;
      const [first] = items;
      if (items.length === 1) return first?.kind === "string" && ITEMS.has(first.value);
      return isCodes(items, (item) => (item.kind === "number" ? item.raw : null));
    }
    default:
      return false;
  }
}

function isPlaceholder(node: FieldNode | undefined): boolean {
  return node?.kind === "string" && node.value === PLACEHOLDER;
}

function isUnavailableValue(value: Exact): boolean {
  if (typeof value === "string") return TEXTS.has(value);
  if (value instanceof Uint8Array) {
    return value.length === PLACEHOLDER.length && Buffer.from(value).toString() === PLACEHOLDER;
  }
  if (value instanceof Entries) {
    const [[name, item] = []] = value.pairs;
    return value.pairs.length === 1 && name === PLACEHOLDER && item === PLACEHOLDER;
  }
  if (!isList(value)) return false;
  const [first] = value;
  if (value.length === 1) return typeof first === "string" && ITEMS.has(first);
  return isCodes(value, (item) =>
    item instanceof Day ? String(item.days) : typeof item === "bigint" ? String(item) : null,
  );
}

function isCodes<T>(items: readonly T[], codeOf: (item: T) => string | null): boolean {
  return (
    items.length === CODES.length && items.every((item, index) => codeOf(item) === CODES[index])
  );
}
