/**
 * JSON values, as their bytes stand, written into columns: the rule of lossless typing where no object is made of a
 * value. What is not written here is not wrong; it is only to be looked at closely.
 */

import { isUtf8 } from "node:buffer";
import { awaited } from "../../../core/table/type-text.ts";
import type { Type } from "../../../core/table/types.ts";
import { hasRepeatedKey, JsonFault, parseExact } from "../json/parse.ts";
import type { PartColumn } from "../made/column-part.ts";
import type { PageForm } from "../made/pages.ts";
import { fieldLevel, itemLevel, type Level, leafOf, TOP } from "../made/part-leaves.ts";
import { jsonScalar } from "./json-scalars.ts";
import { numberEnd, OUT, spaceEnd, startsWith, valueEnd, WORD } from "./json-text.ts";

/** A place in JSON values, with the leaves of the column that it fills. */
export interface JsonColumn {
  readonly leaves: readonly PartColumn[];
  /**
   * Writes the value at an offset, which may be null; the offset behind it, or OUT, and the leaves are then of no use.
   * `repetition` says which list goes on with it.
   */
  readonly write: (bytes: Uint8Array, at: number, repetition: number) => number;
  /** There is none; `definition` says what is missing. */
  readonly missing: (definition: number, repetition: number) => void;
}

const QUOTE = 34;
const BACKSLASH = 92;
const COMMA = 44;
const COLON = 58;
const SPACE = 32;
const OPEN_BRACE = 123;
const CLOSE_BRACE = 125;
const OPEN_BRACKET = 91;
const CLOSE_BRACKET = 93;
const LOWER_N = 110;

/** Null for a type whose values are all to be looked at. */
export function jsonColumn(type: Type, form: PageForm, level: Level = TOP): JsonColumn | null {
  if (type.kind === "struct") return structColumn(type, form, level);
  if (type.kind === "list") return listColumn(type, form, level);
  const leaf = leafOf(type, form, level);
  const write = leafWriter(type, leaf, level.definition);
  return write === null ? null : { leaves: [leaf], write, missing: missingIn([leaf]) };
}

function leafWriter(type: Type, leaf: PartColumn, nullLevel: number): JsonColumn["write"] | null {
  const isAwaiting = awaited(type) !== null;
  const scalar = isAwaiting ? null : isText(type) ? textWriter(leaf) : jsonScalar(type, leaf);
  if (scalar === null && !isAwaiting) return null;
  return (bytes, at, repetition) => {
    if (bytes[at] === LOWER_N) {
      leaf.missing(nullLevel, 1, repetition);
      return startsWith(bytes, at, WORD.null) ? at + WORD.null.length : OUT;
    }
    return scalar === null ? OUT : scalar(bytes, at, repetition);
  };
}

function isText(type: Type): boolean {
  return type.kind === "primitive" && type.name === "string";
}

/** Texts as what they say, anything else as it stands. */
function textWriter(leaf: PartColumn): JsonColumn["write"] {
  return (bytes, at, repetition) => {
    if (bytes[at] !== QUOTE) {
      const end = rawEnd(bytes, at);
      if (end === OUT) return OUT;
      leaf.present(repetition);
      leaf.copy(bytes, at, end);
      return end;
    }
    let bits = 0;
    for (let next = at + 1; ; next++) {
      const byte = bytes[next];
      if (byte === QUOTE) {
        if (bits > 127 && !isUtf8(bytes.subarray(at + 1, next))) return OUT;
        leaf.present(repetition);
        leaf.copy(bytes, at + 1, next);
        return next + 1;
      }
      if (byte === undefined || byte < SPACE) return OUT;
      if (byte === BACKSLASH) return escapedText(leaf, bytes, at, repetition);
      bits |= byte;
    }
  };
}

function escapedText(leaf: PartColumn, bytes: Uint8Array, at: number, repetition: number): number {
  const end = valueEnd(bytes, at);
  const quoted = end === OUT ? null : textOf(bytes, at, end);
  const node = quoted === null ? null : parsed(quoted);
  if (node?.kind !== "string") return OUT;
  leaf.present(repetition);
  leaf.text(node.value);
  return end;
}

/** Behind a value that is no text, as it stands. */
function rawEnd(bytes: Uint8Array, at: number): number {
  if (startsWith(bytes, at, WORD.true)) return at + WORD.true.length;
  if (startsWith(bytes, at, WORD.false)) return at + WORD.false.length;
  const isOpen = bytes[at] === OPEN_BRACE || bytes[at] === OPEN_BRACKET;
  if (!isOpen) return numberEnd(bytes, at);
  const end = valueEnd(bytes, at);
  const text = end === OUT ? null : textOf(bytes, at, end);
  const node = text === null ? null : parsed(text);
  return node === null || hasRepeatedKey(node) ? OUT : end;
}

function textOf(bytes: Uint8Array, start: number, end: number): string | null {
  const part = Buffer.from(bytes.buffer, bytes.byteOffset + start, end - start);
  return isUtf8(part) ? part.toString() : null;
}

function parsed(text: string) {
  try {
    return parseExact(text);
  } catch (thrown) {
    if (thrown instanceof JsonFault) return null;
    throw thrown;
  }
}

function structColumn(
  type: Type & { kind: "struct" },
  form: PageForm,
  level: Level,
): JsonColumn | null {
  const { definition } = level;
  const inner = fieldLevel(level);
  const fields: ObjectField[] = [];
  for (const field of type.fields) {
    const column = jsonColumn(field.type, form, inner);
    if (column === null) return null;
    fields.push({ key: field.name, column, isRequired: false });
  }
  const leaves = fields.flatMap(({ column }) => column.leaves);
  if (leaves.length === 0) return null;
  const object = new ObjectColumns(fields, inner.definition);
  return {
    leaves,
    missing: missingIn(leaves),
    write: (bytes, at, repetition) => {
      if (bytes[at] === OPEN_BRACE) return object.write(bytes, at, repetition);
      return writeNull(bytes, at, leaves, definition, repetition);
    },
  };
}

function listColumn(
  type: Type & { kind: "list" },
  form: PageForm,
  level: Level,
): JsonColumn | null {
  const { definition } = level;
  const inner = itemLevel(level);
  const { repetition: lists } = inner;
  const element = jsonColumn(type.element, form, inner);
  if (element === null) return null;
  const { leaves } = element;
  return {
    leaves,
    missing: missingIn(leaves),
    write: (bytes, at, repetition) => {
      if (bytes[at] !== OPEN_BRACKET) return writeNull(bytes, at, leaves, definition, repetition);
      let next = spaceEnd(bytes, at + 1);
      if (bytes[next] === CLOSE_BRACKET) {
        element.missing(definition + 1, repetition);
        return next + 1;
      }
      for (let own = repetition; ; own = lists) {
        const end = element.write(bytes, next, own);
        if (end === OUT) return OUT;
        next = spaceEnd(bytes, end);
        if (bytes[next] === CLOSE_BRACKET) return next + 1;
        if (bytes[next] !== COMMA) return OUT;
        next = spaceEnd(bytes, next + 1);
      }
    },
  };
}

function missingIn(leaves: readonly PartColumn[]): JsonColumn["missing"] {
  return (definition, repetition) => {
    for (const leaf of leaves) leaf.missing(definition, 1, repetition);
  };
}

function writeNull(
  bytes: Uint8Array,
  at: number,
  leaves: readonly PartColumn[],
  definition: number,
  repetition: number,
): number {
  if (!startsWith(bytes, at, WORD.null)) return OUT;
  for (const leaf of leaves) leaf.missing(definition, 1, repetition);
  return at + WORD.null.length;
}

export interface ObjectField {
  readonly key: string;
  readonly column: JsonColumn;
  /** It may not be null. */
  readonly isRequired: boolean;
}

interface Place extends ObjectField {
  readonly quoted: Uint8Array;
  /** The number of the object that it was seen in last. */
  seenIn: number;
}

/** The fields of objects as columns: in whatever order they stand, each at most once, and no others. */
export class ObjectColumns {
  readonly #places: readonly Place[];
  /** Of a field that is not there. */
  readonly #missing: number;
  #objects = 0;

  constructor(fields: readonly ObjectField[], missing: number) {
    this.#places = fields.map((field) => ({
      ...field,
      quoted: new TextEncoder().encode(JSON.stringify(field.key)),
      seenIn: 0,
    }));
    this.#missing = missing;
  }

  /** The offset behind the object that begins at `at`; OUT for one that is to be looked at. */
  write(bytes: Uint8Array, at: number, repetition: number): number {
    const object = ++this.#objects;
    let next = spaceEnd(bytes, at + 1);
    if (bytes[next] === CLOSE_BRACE) return this.#rest(object, 0, repetition) ? next + 1 : OUT;
    for (let seen = 1; ; seen++) {
      const place = this.#placeAt(bytes, next, seen - 1);
      if (place === null || place.seenIn === object) return OUT;
      place.seenIn = object;
      next = spaceEnd(bytes, next + place.quoted.length);
      if (bytes[next] !== COLON) return OUT;
      next = spaceEnd(bytes, next + 1);
      if (place.isRequired && bytes[next] === LOWER_N) return OUT;
      const end = place.column.write(bytes, next, repetition);
      if (end === OUT) return OUT;
      next = spaceEnd(bytes, end);
      if (bytes[next] === CLOSE_BRACE) return this.#rest(object, seen, repetition) ? next + 1 : OUT;
      if (bytes[next] !== COMMA) return OUT;
      next = spaceEnd(bytes, next + 1);
    }
  }

  /** There is no object. False where one of its fields is required. */
  none(): boolean {
    return this.#rest(++this.#objects, 0, 0);
  }

  /** By its key as it stands; most objects have them in one order. */
  #placeAt(bytes: Uint8Array, at: number, expected: number): Place | null {
    const places = this.#places;
    const usual = places[expected];
    if (usual !== undefined && startsWith(bytes, at, usual.quoted)) return usual;
    return places.find(({ quoted }) => startsWith(bytes, at, quoted)) ?? null;
  }

  #rest(object: number, seen: number, repetition: number): boolean {
    if (seen === this.#places.length) return true;
    for (const { seenIn, column, isRequired } of this.#places) {
      if (seenIn === object) continue;
      if (isRequired) return false;
      column.missing(this.#missing, repetition);
    }
    return true;
  }
}
