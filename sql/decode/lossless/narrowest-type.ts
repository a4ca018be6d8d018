/** Learns the narrowest type that holds every value seen exactly: text columns and JSON values. */

import { COLUMNS_MAX, TYPE_DEPTH_MAX } from "../../../core/limits.ts";
import { EMPTY_OBJECT, NOTHING } from "../../../core/table/type-text.ts";
import type { Field, PrimitiveName, Type } from "../../../core/table/types.ts";
import type { JsonNode, JsonObjectNode } from "../json/parse.ts";
import type { Spelling } from "./spelling.ts";
import { decimalDigits, isLong, survivesDouble, textFits } from "./text-fit.ts";

export interface Learned {
  readonly type: Type;
  /** No value but NULL was seen. */
  readonly unseen: boolean;
  /** Texts of digits and marks between them alone: numbers or days, as somebody writes them. */
  readonly isFigures?: boolean;
}

/** Scales that learned decimals take, so that a later file rarely needs another one. */
const SCALES = [0, 2, 4, 6, 9, 12, 18];
const PRECISION_SMALL = 18;
const PRECISION_MAX = 38;
/** More distinct keys make an object a dictionary, kept as its text. */
const KEYS_MAX = 200;
const STRING: Type = primitive("string");
const LONG = primitive("long");
const DATE = primitive("date");
const TIMESTAMP = primitive("timestamp");
const TIMESTAMPTZ = primitive("timestamptz");

/** Decimal digits seen so far, before and after the point. */
export interface Digits {
  readonly whole: number;
  readonly fraction: number;
}

const FIGURES = /^[-\d.,'’_/: \u00a0\u202f]*\d(?: ?[ap]\.?m\.?)?$/i;

/** The kinds of text, from narrow to wide; a column is of the first that all its values are. */
export type TextKind = "boolean" | "long" | "decimal" | "date" | "timestamp" | "timestamptz";

export const TEXT_KINDS: readonly TextKind[] = [
  "boolean",
  "long",
  "decimal",
  "date",
  "timestamp",
  "timestamptz",
];

/** The decimal type for these digits: 18 digits while they fit, else 38; null when 38 are too few. */
export function decimalFor(digits: Digits): Type | null {
  const rounded = SCALES.find((scale) => scale >= digits.fraction);
  for (const scale of rounded === undefined ? [digits.fraction] : [rounded, digits.fraction]) {
    if (digits.whole + scale <= PRECISION_SMALL && scale <= PRECISION_SMALL) {
      return { kind: "decimal", precision: PRECISION_SMALL, scale };
    }
    if (digits.whole + scale <= PRECISION_MAX) {
      return { kind: "decimal", precision: PRECISION_MAX, scale };
    }
  }
  return null;
}

/** The type of a text column: the first kind in which nothing was out of place. */
export function textType(fits: ReadonlySet<TextKind>, digits: Digits): Type {
  const kind = TEXT_KINDS.find((candidate) => fits.has(candidate));
  if (kind === undefined) return STRING;
  if (kind === "decimal") return decimalFor(digits) ?? STRING;
  return primitive(kind);
}

/** Learns one column of texts. */
export class TextColumn {
  #fits = new Set<TextKind>(TEXT_KINDS);
  #whole = 0;
  #fraction = 0;
  #seen = false;
  #isFigures = true;
  readonly #spelling: Spelling | null;

  constructor(spelling: Spelling | null = null) {
    this.#spelling = spelling;
  }

  add(text: string): void {
    this.#seen = true;
    if (this.#isFigures && !FIGURES.test(text)) this.#isFigures = false;
    for (const kind of this.#fits) {
      if (!this.#isOf(text, kind)) this.#fits.delete(kind);
    }
  }

  learned(): Learned {
    if (!this.#seen) return { type: NOTHING, unseen: true };
    const digits = { whole: this.#whole, fraction: this.#fraction };
    const isFigures = this.#fits.size === 0 && this.#isFigures;
    return { type: textType(this.#fits, digits), unseen: false, ...(isFigures && { isFigures }) };
  }

  #isOf(given: string, kind: TextKind): boolean {
    const text = this.#spelling?.plain(kind === "decimal" ? LONG : primitive(kind), given) ?? given;
    switch (kind) {
      case "long":
        return isLong(text);
      case "decimal":
        return this.#addDecimal(text);
      case "boolean":
        return text === "true" || text === "false";
      default:
        return textFits(primitive(kind), text);
    }
  }

  #addDecimal(text: string): boolean {
    const digits = decimalDigits(text);
    if (digits === null) return false;
    this.#whole = Math.max(this.#whole, digits.whole);
    this.#fraction = Math.max(this.#fraction, digits.fraction);
    return true;
  }
}

/** Learns one place in JSON values: a key of an object, or the elements of a list. */
export class JsonPlace {
  #kinds = new Set<"boolean" | "number" | "string" | "array" | "object">();
  #numbers = { long: true, double: true, safe: true, whole: 0, fractions: false, decimal: true };
  #text: TextColumn | null = null;
  #element: JsonPlace | null = null;
  #fields: JsonFields | null = null;

  add(node: JsonNode, depth: number): void {
    if (node.kind === "null") return;
    this.#kinds.add(node.kind);
    if (node.kind === "number") this.#addNumber(node.raw);
    else if (node.kind === "string" && depth === 1) {
      this.#text ??= new TextColumn();
      this.#text.add(node.value);
    } else if (node.kind === "array" && depth < TYPE_DEPTH_MAX) {
      this.#element ??= new JsonPlace();
      for (const item of node.items) this.#element.add(item, depth + 1);
    } else if (node.kind === "object" && depth < TYPE_DEPTH_MAX) {
      this.#fields ??= new JsonFields(KEYS_MAX);
      this.#fields.add(node, depth + 1);
    }
  }

  learned(): Learned {
    const [kind, ...others] = [...this.#kinds];
    if (kind === undefined) return { type: NOTHING, unseen: true };
    if (others.length > 0) return { type: STRING, unseen: false };
    return { type: this.#typeOf(kind), unseen: false };
  }

  #typeOf(kind: "boolean" | "number" | "string" | "array" | "object"): Type {
    switch (kind) {
      case "boolean":
        return primitive("boolean");
      case "number":
        return this.#numberType();
      case "string":
        return timeOnly(this.#text?.learned().type ?? STRING);
      case "array":
        return listOf(this.#element?.learned().type ?? STRING);
      case "object":
        return this.#fields?.structType() ?? STRING;
    }
  }

  #addNumber(raw: string): void {
    const numbers = this.#numbers;
    const digits = decimalDigits(raw);
    if (!isLong(raw)) numbers.long = false;
    if (digits === null || digits.fraction > 0) {
      numbers.fractions = true;
      if (!survivesDouble(raw)) numbers.double = false;
    } else {
      numbers.whole = Math.max(numbers.whole, digits.whole);
      if (!Number.isSafeInteger(Number(raw))) numbers.safe = false;
    }
  }

  #numberType(): Type {
    const numbers = this.#numbers;
    if (numbers.long) return primitive("long");
    if (!numbers.fractions) return decimalFor({ whole: numbers.whole, fraction: 0 }) ?? STRING;
    return numbers.double && numbers.safe ? primitive("double") : STRING;
  }
}

/** The keys of the objects at one place, in order of first appearance; keys that differ in case are one. */
export class JsonFields {
  #places = new Map<string, JsonPlace>();
  #names = new Map<string, string>();
  #keysMax: number;
  #isDictionary = false;

  constructor(keysMax: number = COLUMNS_MAX) {
    this.#keysMax = keysMax;
  }

  add(node: JsonObjectNode, depth: number): void {
    if (node.repeated !== null) this.#isDictionary = true;
    for (const [key, value] of node.entries) this.#place(key)?.add(value, depth);
  }

  /** More keys came than are kept: what `columns` answers is not all. */
  get isOverfull(): boolean {
    return this.#isDictionary && this.#places.size >= this.#keysMax;
  }

  columns(): { readonly name: string; readonly place: JsonPlace }[] {
    return [...this.#places].map(([folded, place]) => ({
      name: this.#names.get(folded) ?? folded,
      place,
    }));
  }

  /** Null when the objects have too many keys, or keys that a struct cannot have. */
  structType(): Type | null {
    if (this.#isDictionary) return null;
    if (this.#places.size === 0) return EMPTY_OBJECT;
    const fields: Field[] = this.columns().map(({ name, place }) => ({
      id: 0,
      name,
      required: false,
      type: place.learned().type,
    }));
    return { kind: "struct", fields };
  }

  #place(key: string): JsonPlace | null {
    const folded = key.toLowerCase();
    const known = this.#names.get(folded);
    if (known !== undefined) {
      if (known !== key && this.#keysMax === KEYS_MAX) this.#isDictionary = true;
      return this.#places.get(folded) ?? null;
    }
    const isNameless = key === "" && this.#keysMax === KEYS_MAX;
    if (isNameless || key.includes("\0") || this.#places.size >= this.#keysMax) {
      this.#isDictionary = true;
      return null;
    }
    const place = new JsonPlace();
    this.#names.set(folded, key);
    this.#places.set(folded, place);
    return place;
  }
}

/** JSON strings are never numbers or booleans: `"7"` stays text. */
function timeOnly(type: Type): Type {
  return [DATE, TIMESTAMP, TIMESTAMPTZ].some(
    (time) => time.kind === "primitive" && type.kind === "primitive" && time.name === type.name,
  )
    ? type
    : STRING;
}

function listOf(element: Type): Type {
  return { kind: "list", elementId: 0, elementRequired: false, element };
}

function primitive(name: PrimitiveName): Type {
  return { kind: "primitive", name };
}
