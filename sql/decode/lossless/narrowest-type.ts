/** Learns the narrowest type that holds every value seen exactly: text columns and JSON values. */

import type { MixedPlace } from "../../../core/engine.ts";
import { COLUMNS_MAX, TYPE_DEPTH_MAX } from "../../../core/limits.ts";
import { EMPTY_OBJECT, NOTHING } from "../../../core/table/type-text.ts";
import type { Field, PrimitiveName, Type } from "../../../core/table/types.ts";
import { MisfitTexts } from "../first-misfit.ts";
import type { JsonNode, JsonObjectNode } from "../json/parse.ts";
import type { Spelling } from "./spelling.ts";
import { decimalDigits, isLong, survivesDouble, textFits } from "./text-fit.ts";

export interface Learned {
  readonly type: Type;
  /** No value but NULL was seen. */
  readonly unseen: boolean;
  /** Texts of digits and marks between them alone: numbers or days, as somebody writes them. */
  readonly isFigures?: boolean;
  /** Values that are not NULL; absent: not counted. */
  readonly values?: number;
  /** Places whose values have nothing but text in common, where all but a few are of one type. */
  readonly mixed?: readonly MixedPlace[];
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

const FIGURES = /^\(?[-\d.,'’_/: \u00a0\u202f]*\d(?: ?-|\)| ?[ap]\.?m\.?)?$/i;

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

/** Kinds that a text which begins with zeros, as codes do, says that a column is not of. */
const NUMBERS: ReadonlySet<TextKind> = new Set(["long", "decimal"]);
/** Digits behind a zero that says nothing: `007`, `+4930`, `00.5`. */
const PADDED = /^[-+]?0[0-9]+(?:[.,][0-9]*)?$/;

const FIRST_TEXTS = 32;
const DIGITS = "-.0123456789";

/** False for most texts that are not of the kind: nearly all columns are told from five of theirs by it. */
function mayBe(text: string, kind: TextKind): boolean {
  if (kind === "boolean") return text === "true" || text === "false";
  return DIGITS.includes(text.charAt(0)) && (NUMBERS.has(kind) || text.charAt(4) === "-");
}

/** How the texts of a column fit one kind. */
export interface KindCount {
  readonly kind: TextKind;
  readonly misfits: number;
}

/**
 * The kind that the fewest texts do not fit, the narrowest of those: what a column is mostly. Null where none is, and
 * where padded numbers say that the others are codes.
 */
export function mostlyOf(
  counts: readonly KindCount[],
  values: number,
  digits: Digits,
  isPadded: boolean,
): (KindCount & { readonly type: Type }) | null {
  const types = counts.flatMap(({ kind, misfits }) => {
    if (misfits >= values || (isPadded && NUMBERS.has(kind))) return [];
    const type = textType(new Set([kind]), digits);
    return type === STRING ? [] : [{ kind, misfits, type }];
  });
  const [first, ...others] = types;
  if (first === undefined) return null;
  return others.reduce((best, each) => (each.misfits < best.misfits ? each : best), first);
}

/** A kind that a column may be of still. */
interface Open {
  readonly kind: TextKind;
  misfits: number;
  texts: MisfitTexts | null;
}

/** Learns one column of texts. `misfitsMax`: a kind that so many do not fit is counted still. */
export class TextColumn {
  #open: Open[] = TEXT_KINDS.map((kind) => ({ kind, misfits: 0, texts: null }));
  readonly #misfitsMax: number;
  #whole = 0;
  #fraction = 0;
  #values = 0;
  #isPadded = false;
  #isFigures = true;
  readonly #spelling: Spelling | null;

  constructor(spelling: Spelling | null = null, misfitsMax = 0) {
    this.#spelling = spelling;
    this.#misfitsMax = misfitsMax;
  }

  /** Kinds that are counted still. */
  get kinds(): ReadonlySet<TextKind> {
    return new Set(this.#open.map(({ kind }) => kind));
  }

  /** A text was a number behind zeros. */
  get isPadded(): boolean {
    return this.#isPadded;
  }

  add(text: string): void {
    this.#values++;
    if (this.#isFigures && !FIGURES.test(text)) this.#isFigures = false;
    let isClosing = false;
    for (const open of this.#open) {
      if (this.#isOf(text, open.kind)) continue;
      open.misfits++;
      if (open.misfits > this.#misfitsMax) isClosing = true;
      else this.#miss(open, text);
    }
    if (isClosing) this.#open = this.#open.filter(({ misfits }) => misfits <= this.#misfitsMax);
  }

  learned(): Learned {
    if (this.#values === 0) return { type: NOTHING, unseen: true };
    const digits = { whole: this.#whole, fraction: this.#fraction };
    const fits = this.#open.filter(({ misfits }) => misfits === 0).map(({ kind }) => kind);
    const type = textType(new Set(fits), digits);
    const isFigures = fits.length === 0 && this.#isFigures;
    const seen = { type, unseen: false, ...(isFigures && { isFigures }) };
    if (this.#misfitsMax === 0) return seen;
    const known = { ...seen, values: this.#values };
    const mostly =
      type === STRING ? mostlyOf(this.#open, this.#values, digits, this.#isPadded) : null;
    if (mostly === null || mostly.misfits === 0) return known;
    const { kind, misfits, type: most } = mostly;
    const shown = this.#open.find((open) => open.kind === kind)?.texts?.shown ?? "";
    return { ...known, mixed: [{ way: [], type: most, values: this.#values, misfits, shown }] };
  }

  #miss(open: Open, text: string): void {
    if (NUMBERS.has(open.kind) && PADDED.test(text)) this.#isPadded = true;
    // That a column is of a kind which nothing was of for so long is told without examples.
    if (open.misfits === this.#values && open.misfits > FIRST_TEXTS) return;
    open.texts ??= new MisfitTexts();
    open.texts.add(text);
  }

  #isOf(given: string, kind: TextKind): boolean {
    if (this.#spelling === null && !mayBe(given, kind)) return false;
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
    // More than any decimal has.
    if (digits === null || digits.whole + digits.fraction > PRECISION_MAX) return false;
    this.#whole = Math.max(this.#whole, digits.whole);
    this.#fraction = Math.max(this.#fraction, digits.fraction);
    return true;
  }
}

type JsonKind = "boolean" | "number" | "string" | "array" | "object";

/** Learns one place in JSON values: a key of an object, or the elements of a list. `misfitsMax` as in TextColumn. */
export class JsonPlace {
  readonly #counts = new Map<JsonKind, number>();
  #numbers = { long: 0, double: 0, unsafe: 0, whole: 0, fractions: 0 };
  #text: TextColumn | null = null;
  #element: JsonPlace | null = null;
  #fields: JsonFields | null = null;
  readonly #misfitsMax: number;
  readonly #texts = new Map<JsonKind, MisfitTexts>();
  #isPadded = false;

  constructor(misfitsMax = 0) {
    this.#misfitsMax = misfitsMax;
  }

  add(node: JsonNode, depth: number): void {
    if (node.kind === "null") return;
    this.#count(node);
    if (node.kind === "number") this.#addNumber(node.raw);
    else if (node.kind === "string" && depth === 1) {
      this.#text ??= new TextColumn(null, this.#misfitsMax);
      this.#text.add(node.value);
    } else if (node.kind === "array" && depth < TYPE_DEPTH_MAX) {
      this.#element ??= new JsonPlace(this.#misfitsMax);
      for (const item of node.items) this.#element.add(item, depth + 1);
    } else if (node.kind === "object" && depth < TYPE_DEPTH_MAX) {
      this.#fields ??= new JsonFields(KEYS_MAX, this.#misfitsMax);
      this.#fields.add(node, depth + 1);
    }
  }

  learned(): Learned {
    const [kind, ...others] = [...this.#counts.keys()];
    if (kind === undefined) return { type: NOTHING, unseen: true };
    const type = others.length > 0 ? STRING : this.#typeOf(kind);
    if (this.#misfitsMax === 0) return { type, unseen: false };
    const mixed = this.mixed([]);
    const known = { type, unseen: false, values: this.#values };
    return mixed.length === 0 ? known : { ...known, mixed };
  }

  /** Places here and below that are text for a few values alone; `way` leads here. */
  mixed(way: readonly string[]): readonly MixedPlace[] {
    const [kind] = this.#counts.keys();
    if (kind === undefined) return [];
    if (this.#counts.size === 1) return this.#mixedOf(kind, way);
    const [most, count] = [...this.#counts].reduce((a, b) => (b[1] > a[1] ? b : a));
    if (most === "number" && this.#isPadded) return [];
    const values = this.#values;
    const place = { way, values, misfits: values - count, shown: this.#shownBut(most) };
    // What is beneath is known of all that is not set aside.
    const inner = this.#mixedOf(most, way);
    const own = inner.find((each) => each.way.length === way.length);
    const type = own?.type ?? this.#typeOf(most);
    if (type === STRING) return [];
    const misfits = place.misfits + (own?.misfits ?? 0);
    return [{ ...place, type, misfits }, ...inner.filter((each) => each !== own)];
  }

  get #values(): number {
    return [...this.#counts.values()].reduce((sum, count) => sum + count, 0);
  }

  /** Of values of one kind. */
  #mixedOf(kind: JsonKind, way: readonly string[]): readonly MixedPlace[] {
    switch (kind) {
      case "boolean":
        return [];
      case "number":
        return this.#mixedNumbers(way);
      case "string": {
        const { mixed = [] } = this.#text?.learned() ?? {};
        return mixed.flatMap((place) =>
          timeOnly(place.type) === STRING ? [] : [{ ...place, way: [...way, ...place.way] }],
        );
      }
      case "array":
        return this.#element?.mixed([...way, "element"]) ?? [];
      case "object":
        return this.#fields?.mixed(way) ?? [];
    }
  }

  #typeOf(kind: JsonKind): Type {
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

  #count(node: Exclude<JsonNode, { readonly kind: "null" }>): void {
    this.#counts.set(node.kind, (this.#counts.get(node.kind) ?? 0) + 1);
    if (this.#misfitsMax === 0) return;
    if (node.kind === "string" && PADDED.test(node.value)) this.#isPadded = true;
    // What comes first may be the misfits, but for what is of many lengths.
    if (this.#counts.size === 1 && "raw" in node) return;
    const texts = this.#texts.get(node.kind) ?? new MisfitTexts();
    this.#texts.set(node.kind, texts);
    texts.add("raw" in node ? node.raw : String(node.value));
  }

  #shownBut(most: JsonKind): string {
    const others = [...this.#texts].flatMap(([kind, texts]) =>
      kind === most ? [] : [texts.shown],
    );
    return others.filter((shown) => shown !== "").join(", ");
  }

  #addNumber(raw: string): void {
    const numbers = this.#numbers;
    const digits = decimalDigits(raw);
    if (isLong(raw)) numbers.long++;
    if (digits === null || digits.fraction > 0) {
      numbers.fractions++;
      if (survivesDouble(raw)) numbers.double++;
    } else {
      numbers.whole = Math.max(numbers.whole, digits.whole);
      if (!Number.isSafeInteger(Number(raw))) numbers.unsafe++;
    }
  }

  #numberType(): Type {
    const { long, double, unsafe, whole, fractions } = this.#numbers;
    const count = this.#counts.get("number") ?? 0;
    if (long === count) return primitive("long");
    if (fractions === 0) return decimalFor({ whole, fraction: 0 }) ?? STRING;
    return double === fractions && unsafe === 0 ? primitive("double") : STRING;
  }

  /** Numbers that no double is exactly, or with too many digits for a decimal, among others that are. */
  #mixedNumbers(way: readonly string[]): readonly MixedPlace[] {
    if (this.#numberType() !== STRING) return [];
    const { long, double, unsafe, fractions } = this.#numbers;
    const values = this.#counts.get("number") ?? 0;
    const misfits = { long: values - long, double: fractions - double + unsafe };
    const name = fractions === 0 || misfits.long < misfits.double ? "long" : "double";
    return [{ way, type: primitive(name), values, misfits: misfits[name], shown: "" }];
  }
}

/** The keys of the objects at one place, in order of first appearance; keys that differ in case are one. */
export class JsonFields {
  #places = new Map<string, JsonPlace>();
  #names = new Map<string, string>();
  #keysMax: number;
  #isDictionary = false;
  readonly #misfitsMax: number;

  constructor(keysMax: number = COLUMNS_MAX, misfitsMax = 0) {
    this.#keysMax = keysMax;
    this.#misfitsMax = misfitsMax;
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

  mixed(way: readonly string[]): readonly MixedPlace[] {
    if (this.#isDictionary) return [];
    return this.columns().flatMap(({ name, place }) => place.mixed([...way, name]));
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
    const place = new JsonPlace(this.#misfitsMax);
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
