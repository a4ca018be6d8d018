/** YAML with places: plain data, what is wrong with the text, and where each key and value stands. */

import { isMap, isNode, isPair, isSeq, type Pair, parseDocument, stringify } from "yaml";
import type { Json } from "../../core/base/json.ts";
import type { ParsedYaml, Span } from "../../core/config/place.ts";

/** Nodes that aliases may expand to: a document of a few lines must not become a bomb. */
const ALIASES_MAX = 100;

/** Parses one document. Never throws: problems are in the answer. Integers beyond 2^53 are `bigint`. */
export function parseYaml(text: string): ParsedYaml {
  try {
    return parse(text);
  } catch (thrown) {
    // Aliases that expand too far, or nesting beyond the stack: the text as a whole is refused.
    const message = thrown instanceof Error ? firstLine(thrown.message) : "it cannot be read";
    return refused(message);
  }
}

/** Plain data as YAML that people edit. */
export function yamlText(value: Json): string {
  return stringify(value, { lineWidth: 120 });
}

function parse(text: string): ParsedYaml {
  const document = parseDocument(text, { intAsBigInt: true, prettyErrors: false, version: "1.2" });
  const problems = document.errors.map((error) => ({
    message: firstLine(error.message),
    span: span(error.pos[0], error.pos[1]),
  }));
  const spanOf = (path: readonly (string | number)[], at: "key" | "value"): Span =>
    place(document.contents, path, at) ?? WHOLE;
  const data = problems.length > 0 ? null : plain(document.toJS({ maxAliasCount: ALIASES_MAX }));
  return { data, problems, spanOf };
}

const WHOLE: Span = { offset: 0, length: 1 };

function refused(message: string): ParsedYaml {
  return { data: null, problems: [{ message, span: WHOLE }], spanOf: () => WHOLE };
}

/** The place of a path, or of the nearest thing around it that exists. */
function place(
  root: unknown,
  path: readonly (string | number)[],
  at: "key" | "value",
): Span | null {
  let node: unknown = root;
  let found: Span | null = rangeOf(root);
  for (const [index, step] of path.entries()) {
    const isLast = index === path.length - 1;
    if (isMap(node)) {
      const pair = node.items.find((item) => keyOf(item) === String(step));
      if (pair === undefined) return found;
      const key = rangeOf(pair.key);
      const value = rangeOf(pair.value);
      found = isLast && at === "value" ? (value ?? key ?? found) : (key ?? found);
      node = pair.value;
    } else if (isSeq(node)) {
      node = node.items[Number(step)];
      found = rangeOf(node) ?? found;
    } else {
      return found;
    }
  }
  return found;
}

function keyOf(pair: Pair): string {
  return isNode(pair.key) ? String(pair.key.toJSON()) : String(pair.key);
}

function rangeOf(node: unknown): Span | null {
  if (isPair(node)) return rangeOf(node.key);
  if (!isNode(node) || node.range === null || node.range === undefined) return null;
  return span(node.range[0], node.range[1]);
}

function span(start: number, end: number): Span {
  return { offset: start, length: Math.max(1, end - start) };
}

/** `bigint` only where a number would not be exact. */
function plain(value: unknown): unknown {
  if (typeof value === "bigint") {
    return Number.isSafeInteger(Number(value)) ? Number(value) : value;
  }
  if (Array.isArray(value)) return value.map(plain);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, plain(item)]));
}

function firstLine(text: string): string {
  return text.split("\n", 1)[0] ?? text;
}
