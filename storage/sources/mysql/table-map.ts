/** Table maps: what the log says of a table before its rows. MySQL, "Table_map_event", with FULL metadata. */

import { BINLOG_TYPE } from "../../../core/ingest/binlog-row.ts";
import { damaged } from "./binlog-event.ts";
import { Fields } from "./packets.ts";

export interface MapColumn {
  /** Null where the server does not log names. */
  readonly name: string | null;
  /** As in BINLOG_TYPE, resolved. */
  readonly type: number;
  /** As `ImageColumn` has it. */
  readonly meta: number;
  readonly unsigned: boolean;
  /** The number of a collation; null of a column that is no text, 63 of one that holds bytes. */
  readonly collation: number | null;
  /** Of an enum or a set, as they are written in its collation. */
  readonly labels: readonly Uint8Array[];
  /** Of bits. */
  readonly bitCount: number;
  readonly key: boolean;
}

export interface TableMap {
  readonly schema: string;
  readonly table: string;
  readonly columns: readonly MapColumn[];
}

/**
 * Reads a table map behind the number of its table and its flags. MariaDB counts geometries among the columns that have
 * a collation, MySQL does not.
 */
export function readTableMap(
  bytes: Uint8Array,
  start: number,
  end: number,
  geometriesAreTexts: boolean,
): TableMap {
  const fields = new Fields(bytes, start, end);
  const decoder = new TextDecoder();
  const schema = decoder.decode(fields.take(fields.uint(1)));
  fields.skip(1);
  const table = decoder.decode(fields.take(fields.uint(1)));
  fields.skip(1);
  const types = fields.take(fields.length());
  const metas = new Fields(bytes, fields.at, fields.end);
  const metaEnd = metas.length() + metas.at;
  const layouts = [...types].map((type) => layoutOf(type, metas));
  fields.at = metas.at;
  if (metas.at !== metaEnd) throw damaged("a table map holds types that are not known");
  fields.skip((types.length + 7) >> 3);
  const more = readMore(fields);
  const columns = describe(layouts, more, geometriesAreTexts);
  return { schema, table, columns };
}

interface Layout {
  readonly type: number;
  readonly meta: number;
  readonly bitCount: number;
}

/** What each type has in the metadata. MySQL, "Table_map_event", table of types. */
function layoutOf(type: number, metas: Fields): Layout {
  const plain = (meta: number): Layout => ({ type, meta, bitCount: 0 });
  switch (type) {
    case BINLOG_TYPE.float:
    case BINLOG_TYPE.double:
      metas.skip(1);
      return plain(0);
    case BINLOG_TYPE.blob:
    case BINLOG_TYPE.geometry:
    case BINLOG_TYPE.json:
    case BINLOG_TYPE.vector:
    case BINLOG_TYPE.blobCompressed:
    case BINLOG_TYPE.timestamp2:
    case BINLOG_TYPE.datetime2:
    case BINLOG_TYPE.time2:
      return plain(metas.uint(1));
    case BINLOG_TYPE.varchar:
    case BINLOG_TYPE.varcharCompressed:
      return plain(metas.uint(2));
    case BINLOG_TYPE.newdecimal: {
      const precision = metas.uint(1);
      return plain(precision * 256 + metas.uint(1));
    }
    case BINLOG_TYPE.bit: {
      const rest = metas.uint(1);
      const whole = metas.uint(1);
      return { type, meta: whole + (rest > 0 ? 1 : 0), bitCount: whole * 8 + rest };
    }
    case BINLOG_TYPE.string:
    case BINLOG_TYPE.varString:
    case BINLOG_TYPE.enum:
    case BINLOG_TYPE.set:
      return stringLayout(metas.uint(1), metas.uint(1));
    default:
      return plain(0);
  }
}

const REAL_BITS = 0x30;

/** A string's real type stands in its metadata, whose free bits a long one's length borrows. */
function stringLayout(first: number, second: number): Layout {
  if ((first & REAL_BITS) === REAL_BITS) return { type: first, meta: second, bitCount: 0 };
  const high = (first & REAL_BITS) ^ REAL_BITS;
  return { type: first | REAL_BITS, meta: second | (high << 4), bitCount: 0 };
}

/** Kinds of optional metadata. */
const MORE = {
  signedness: 1,
  defaultCharset: 2,
  columnCharset: 3,
  names: 4,
  setLabels: 5,
  enumLabels: 6,
  simpleKey: 8,
  prefixKey: 9,
  enumDefaultCharset: 10,
  enumColumnCharset: 11,
} as const;

interface More {
  signs: Uint8Array;
  readonly names: string[];
  texts: Charsets | null;
  enums: Charsets | null;
  readonly setLabels: (readonly Uint8Array[])[];
  readonly enumLabels: (readonly Uint8Array[])[];
  readonly keys: Set<number>;
}

/** Collations of columns, by their place among those that have any. */
interface Charsets {
  readonly usual: number | null;
  readonly byPlace: ReadonlyMap<number, number>;
}

function readMore(fields: Fields): More {
  const more: More = {
    signs: new Uint8Array(),
    names: [],
    texts: null,
    enums: null,
    setLabels: [],
    enumLabels: [],
    keys: new Set(),
  };
  while (fields.left > 0) {
    const kind = fields.uint(1);
    const value = fields.sized();
    const inner = new Fields(value, 0, value.length);
    readPart(kind, value, inner, more);
  }
  return more;
}

function readPart(kind: number, value: Uint8Array, inner: Fields, more: More): void {
  const decoder = new TextDecoder();
  switch (kind) {
    case MORE.signedness:
      more.signs = value;
      return;
    case MORE.names:
      while (inner.left > 0) more.names.push(decoder.decode(inner.sized()));
      return;
    case MORE.defaultCharset:
      more.texts = usualCharset(inner);
      return;
    case MORE.columnCharset:
      more.texts = eachCharset(inner);
      return;
    case MORE.enumDefaultCharset:
      more.enums = usualCharset(inner);
      return;
    case MORE.enumColumnCharset:
      more.enums = eachCharset(inner);
      return;
    case MORE.setLabels:
    case MORE.enumLabels: {
      const labels = kind === MORE.setLabels ? more.setLabels : more.enumLabels;
      while (inner.left > 0) {
        labels.push(Array.from({ length: inner.length() }, () => inner.sized()));
      }
      return;
    }
    case MORE.simpleKey:
      while (inner.left > 0) more.keys.add(inner.length());
      return;
    case MORE.prefixKey:
      while (inner.left > 0) {
        more.keys.add(inner.length());
        inner.length();
      }
      return;
    default:
      return;
  }
}

function usualCharset(inner: Fields): Charsets {
  const usual = inner.length();
  const byPlace = new Map<number, number>();
  while (inner.left > 0) byPlace.set(inner.length(), inner.length());
  return { usual, byPlace };
}

function eachCharset(inner: Fields): Charsets {
  const byPlace = new Map<number, number>();
  for (let place = 0; inner.left > 0; place++) byPlace.set(place, inner.length());
  return { usual: null, byPlace };
}

const NUMBERS: ReadonlySet<number> = new Set([
  BINLOG_TYPE.tiny,
  BINLOG_TYPE.short,
  BINLOG_TYPE.int24,
  BINLOG_TYPE.long,
  BINLOG_TYPE.longlong,
  BINLOG_TYPE.newdecimal,
  BINLOG_TYPE.float,
  BINLOG_TYPE.double,
]);
const TEXTS: ReadonlySet<number> = new Set([
  BINLOG_TYPE.string,
  BINLOG_TYPE.varString,
  BINLOG_TYPE.varchar,
  BINLOG_TYPE.varcharCompressed,
  BINLOG_TYPE.blob,
  BINLOG_TYPE.blobCompressed,
]);

function describe(
  layouts: readonly Layout[],
  more: More,
  geometriesAreTexts: boolean,
): readonly MapColumn[] {
  let numbers = 0;
  let texts = 0;
  let sets = 0;
  let enums = 0;
  return layouts.map(({ type, meta, bitCount }, index) => {
    const isNumber = NUMBERS.has(type);
    const number = isNumber ? numbers++ : 0;
    const unsigned = isNumber && ((more.signs[number >> 3] ?? 0) & (0x80 >> (number & 7))) !== 0;
    const isSet = type === BINLOG_TYPE.set;
    const isEnum = type === BINLOG_TYPE.enum;
    let collation: number | null = null;
    if (isSet || isEnum) collation = charsetAt(more.enums, sets + enums);
    else if (TEXTS.has(type)) collation = charsetAt(more.texts, texts++);
    // These have no charset, and a place among those that have.
    else if (type === BINLOG_TYPE.geometry && geometriesAreTexts) texts++;
    else if (type === BINLOG_TYPE.vector) texts++;
    const labels = isSet ? more.setLabels[sets++] : isEnum ? more.enumLabels[enums++] : undefined;
    return {
      name: more.names[index] ?? null,
      type,
      meta,
      unsigned,
      collation,
      labels: labels ?? [],
      bitCount,
      key: more.keys.has(index),
    };
  });
}

function charsetAt(charsets: Charsets | null, place: number): number | null {
  return charsets?.byPlace.get(place) ?? charsets?.usual ?? null;
}
