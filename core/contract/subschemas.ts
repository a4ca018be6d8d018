/**
 * The schemas inside a JSON Schema document, each with its references followed and its parts put together: `$ref` to
 * the document's own definitions, `allOf`, and branches beside `null`. JSON Schema 2020-12, and drafts since 04.
 */

import { sameJson } from "../base/json.ts";
import { below, type Cursor, isRecord, report, shown } from "../config/shape.ts";

/** Keywords of one schema with their values. */
export type Keywords = Readonly<Record<string, unknown>>;

/** What a value has to keep to, with no reference in it but in the schemas of its parts. */
export interface Subschema {
  readonly keywords: Keywords;
  /** One of its branches is null alone. */
  readonly hasNull: boolean;
  /** Of `anyOf` and `oneOf`, those that are not null; a value keeps to one of them. */
  readonly branches: readonly unknown[];
  /** References that were followed to come here; one that comes again is a type that holds itself. */
  readonly trail: readonly string[];
  readonly holdsItself: boolean;
}

/** Where definitions lie: of today, and of the drafts before 2019-09. */
export const DEFINITIONS = ["$defs", "definitions"] as const;

/** A document whose schemas refer to one another. */
export class Subschemas {
  readonly #document: Keywords;

  constructor(document: Keywords) {
    this.#document = document;
  }

  /** Reports what is no schema, or refers to what is not there. */
  at(schema: unknown, cursor: Cursor, trail: readonly string[] = []): Subschema | undefined {
    if (schema === false) return report(cursor, "no value may come here", "take it out");
    const given = schema === true ? {} : schema;
    if (!isRecord(given)) return report(cursor, `expected a schema, got ${shown(given)}`);
    const { $ref: reference, allOf = [], anyOf, oneOf, ...keywords } = given;
    const dynamic = ["$dynamicRef", "$recursiveRef"].find((word) => word in keywords);
    if (dynamic !== undefined) {
      return report(below(cursor, dynamic), `${dynamic} is not followed`, "write $ref");
    }
    if (!Array.isArray(allOf)) return report(below(cursor, "allOf"), "expected a list of schemas");
    let whole: Subschema | undefined = { ...NOTHING, keywords, trail };
    if (reference !== undefined) {
      whole = merged(whole, this.#referred(reference, below(cursor, "$ref"), trail), cursor);
    }
    const parts: readonly unknown[] = allOf;
    for (const [index, part] of parts.entries()) {
      whole = merged(whole, this.at(part, below(below(cursor, "allOf"), index), trail), cursor);
    }
    for (const [word, branches] of Object.entries({ anyOf, oneOf })) {
      if (branches === undefined) continue;
      whole = merged(whole, this.#branched(branches, below(cursor, word), trail), cursor);
    }
    return whole;
  }

  /** `base` where its value keeps to this branch of it. */
  branch(base: Subschema, branch: unknown, cursor: Cursor): Subschema | undefined {
    const alone = { ...base, branches: [], hasNull: false };
    return merged(alone, this.at(branch, cursor, base.trail), cursor);
  }

  #branched(given: unknown, cursor: Cursor, trail: readonly string[]): Subschema | undefined {
    if (!Array.isArray(given)) return report(cursor, "expected a list of schemas");
    const all: readonly unknown[] = given;
    const branches = all.filter((branch) => branch !== false && !isNullAlone(branch));
    const hasNull = all.some(isNullAlone);
    const [only, ...others] = branches;
    if (only === undefined) return { ...NOTHING, keywords: { type: "null" }, trail };
    if (others.length > 0) return { ...NOTHING, branches, hasNull, trail };
    const one = this.at(only, below(cursor, all.indexOf(only)), trail);
    return one === undefined ? undefined : { ...one, hasNull: hasNull || one.hasNull };
  }

  #referred(reference: unknown, cursor: Cursor, trail: readonly string[]): Subschema | undefined {
    if (typeof reference !== "string") return report(cursor, "expected a reference");
    if (trail.includes(reference)) return { ...NOTHING, trail, holdsItself: true };
    const target = this.#target(reference);
    if (target === undefined) {
      const isLocal = reference.startsWith("#");
      const said = isLocal ? "is not in the document" : "is in another document";
      return report(cursor, `${shown(reference)} ${said}`, "put what is meant under $defs");
    }
    return this.at(target, cursor, [...trail, reference]);
  }

  /** By its pointer, its anchor or its id. */
  #target(reference: string): unknown {
    const { $id: id } = this.#document;
    const base = typeof id === "string" ? id.replace(/#$/, "") : null;
    const isOwn = base !== null && reference.startsWith(`${base}#`);
    const local = isOwn ? reference.slice(base.length) : reference;
    if (local === "#" || local === base) return this.#document;
    if (local.startsWith("#/")) return pointed(this.#document, local.slice(2));
    return this.#definitions().find(
      ({ $id, $anchor }) =>
        $id === reference || ($anchor !== undefined && local === `#${String($anchor)}`),
    );
  }

  #definitions(): Keywords[] {
    return DEFINITIONS.flatMap((word) => {
      const defined = this.#document[word];
      return isRecord(defined) ? Object.values(defined).filter(isRecord) : [];
    });
  }
}

const NOTHING: Subschema = {
  keywords: {},
  hasNull: false,
  branches: [],
  trail: [],
  holdsItself: false,
};

function isNullAlone(schema: unknown): boolean {
  if (!isRecord(schema)) return false;
  const { type, const: one, enum: values } = schema;
  const isList = (list: unknown): boolean =>
    Array.isArray(list) && list.length === 1 && (list[0] === null || list[0] === "null");
  return type === "null" || isList(type) || (one === null && "const" in schema) || isList(values);
}

/** What a JSON pointer leads to, of which the `#/` is gone. RFC 6901, section 6. */
function pointed(document: Keywords, pointer: string): unknown {
  let found: unknown = document;
  for (const step of pointer.split("/")) {
    const name = decoded(step).replaceAll("~1", "/").replaceAll("~0", "~");
    if (Array.isArray(found))
      found = (found as readonly unknown[])[Number(name)]; // parse: any list
    else if (isRecord(found) && Object.hasOwn(found, name)) found = found[name];
    else return undefined;
  }
  return found;
}

function decoded(step: string): string {
  try {
    return decodeURIComponent(step);
  } catch {
    return step;
  }
}

/** Both at once; where each says something of its own of the same keyword, the outer one is kept. */
function merged(
  outer: Subschema | undefined,
  inner: Subschema | undefined,
  cursor: Cursor,
): Subschema | undefined {
  if (outer === undefined || inner === undefined) return undefined;
  const keywords: Record<string, unknown> = { ...inner.keywords, ...outer.keywords };
  for (const [word, value] of Object.entries(inner.keywords)) {
    if (!Object.hasOwn(outer.keywords, word)) continue;
    keywords[word] = both(word, outer.keywords[word], value, cursor);
  }
  return {
    keywords,
    hasNull: outer.hasNull || inner.hasNull,
    branches: [...outer.branches, ...inner.branches],
    trail: [...new Set([...outer.trail, ...inner.trail])],
    holdsItself: outer.holdsItself || inner.holdsItself,
  };
}

function both(word: string, outer: unknown, inner: unknown, cursor: Cursor): unknown {
  if (word === "required" && Array.isArray(outer) && Array.isArray(inner)) {
    return [...new Set<unknown>([...outer, ...inner])];
  }
  if (word === "properties" && isRecord(outer) && isRecord(inner)) {
    const shared = Object.keys(inner).filter((name) => Object.hasOwn(outer, name));
    const twice = shared.map((name) => [name, { allOf: [outer[name], inner[name]] }]);
    return { ...inner, ...outer, ...Object.fromEntries(twice) };
  }
  if (word === "items" && isRecord(outer) && isRecord(inner)) return { allOf: [outer, inner] };
  if (word === "type") return bothTypes(outer, inner);
  if (!sameJson(outer, inner) && !ANNOTATIONS.has(word)) {
    const message = `"${word}" is said twice, and ${shown(outer)} is kept`;
    cursor.issues.push({
      path: cursor.path,
      at: "value",
      severity: "warning",
      message,
      hint: null,
    });
  }
  return outer;
}

/** Of which it does not matter which is kept. */
const ANNOTATIONS: ReadonlySet<string> = new Set([
  "$schema",
  "$id",
  "$comment",
  "$anchor",
  ...DEFINITIONS,
  "title",
  "description",
  "default",
  "examples",
  "deprecated",
  "readOnly",
  "writeOnly",
]);

/** The types that both allow; an integer is a number. */
function bothTypes(outer: unknown, inner: unknown): unknown {
  const [left, right] = [outer, inner].map((type): readonly unknown[] =>
    Array.isArray(type) ? type : [type],
  );
  const shared = (left ?? []).flatMap((type) => {
    if (right?.includes(type) === true) return [type];
    if (type === "number" && right?.includes("integer") === true) return ["integer"];
    return type === "integer" && right?.includes("number") === true ? [type] : [];
  });
  return shared.length === 1 ? shared[0] : shared;
}
