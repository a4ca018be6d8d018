/**
 * Where the values of a row stand in the bytes that a binary log of MySQL or MariaDB has of it. Pure: who receives rows
 * cuts them by it, who decodes them finds their values by it. MySQL, "Binary Log Event", Rows_event.
 */

/** Types of columns in the log by their number. `enum_field_types` of MySQL, with MariaDB's own. */
export const BINLOG_TYPE = {
  decimal: 0,
  tiny: 1,
  short: 2,
  long: 3,
  float: 4,
  double: 5,
  null: 6,
  timestamp: 7,
  longlong: 8,
  int24: 9,
  date: 10,
  time: 11,
  datetime: 12,
  year: 13,
  newdate: 14,
  varchar: 15,
  bit: 16,
  timestamp2: 17,
  datetime2: 18,
  time2: 19,
  blobCompressed: 140,
  varcharCompressed: 141,
  vector: 242,
  json: 245,
  newdecimal: 246,
  enum: 247,
  set: 248,
  blob: 252,
  varString: 253,
  string: 254,
  geometry: 255,
} as const;

/** One column as the log lays its values out. */
export interface ImageColumn {
  /** As in BINLOG_TYPE, resolved: an enum is one, not the string that the log calls it. */
  readonly type: number;
  /**
   * What the type needs: bytes of a string, bytes of the length of a blob, precision * 256 + scale of a decimal,
   * decimals of a time, bytes of an enum, a set or bits.
   */
  readonly meta: number;
}

/** How the columns of a table are laid out, as `imageLayout` works it out: bytes of each, or one of VARYING. */
export type ImageLayout = Int32Array;

/** What stands in the place of a value: the same numbers as decoding has. */
export const PLACE = { null: 0, absent: 1, value: 3 } as const;

const DIGITS_PER_WORD = 9;
/** Bytes of 0 to 9 decimal digits. */
const DIGIT_BYTES = [0, 1, 1, 2, 2, 3, 3, 4, 4, 4] as const;
const SHORT_STRING_MAX = 255;
const PLACES_MIN = 64;
/** The bit behind those of a byte. */
const NO_MASK = 256;
/** Values that say how long they are: by one byte, or two, or, of `blob - n`, by n bytes. */
const VARYING = { short: -1, long: -2, blob: -16, unknown: -32 } as const;

/** The values of one row; used again for every row, for there are millions. */
export class RowImage {
  count = 0;
  #kinds = new Uint8Array(PLACES_MIN);
  #starts = new Int32Array(PLACES_MIN);
  #ends = new Int32Array(PLACES_MIN);

  /** Of the value at `index`: one of PLACE; null beyond the last. */
  kind(index: number): number {
    return index < this.count ? (this.#kinds[index] ?? PLACE.null) : PLACE.null;
  }

  start(index: number): number {
    return this.#starts[index] ?? 0;
  }

  end(index: number): number {
    return this.#ends[index] ?? 0;
  }

  clear(): void {
    this.count = 0;
  }

  /**
   * Reads the image that begins at `from`, of the columns that the bitmap at `bitmapAt` of `present` has; answers where
   * it ends. Throws RangeError where the bytes end before.
   */
  read(
    bytes: Uint8Array,
    from: number,
    until: number,
    layout: ImageLayout,
    present: Uint8Array,
    bitmapAt: number,
  ): number {
    const { length } = layout;
    this.#reserve(length);
    let at = from + bitmapBytes(countBits(present, bitmapAt, length));
    // Of those that are there, in bits as they come.
    let nulls = from;
    let mask = 1;
    for (let index = 0; index < length; index++) {
      let kind: number = PLACE.absent;
      const start = at;
      if (isSet(present, bitmapAt, index)) {
        kind = ((bytes[nulls] ?? 0) & mask) === 0 ? PLACE.value : PLACE.null;
        mask <<= 1;
        if (mask === NO_MASK) {
          mask = 1;
          nulls += 1;
        }
        const width = layout[index] ?? VARYING.unknown;
        if (kind === PLACE.value) at = width >= 0 ? at + width : varyingEnd(bytes, at, width);
      }
      this.#set(index, kind, start, at);
    }
    if (!(at <= until)) throw new RangeError("the row ends early");
    this.count = length;
    return at;
  }

  /** Reads a row of an answer, whose values are texts behind their lengths; answers where it ends. */
  readAnswer(bytes: Uint8Array, from: number, until: number, count: number): number {
    this.#reserve(count);
    let at = from;
    for (let index = 0; index < count; index++) {
      const first = bytes[at] ?? NULL_TEXT;
      at += 1;
      if (first === NULL_TEXT) {
        this.#set(index, PLACE.null, at, at);
        continue;
      }
      let length = first;
      if (first >= LENGTH_2) {
        const width = first === LENGTH_2 ? 2 : first === LENGTH_2 + 1 ? 3 : 8;
        length = uintAt(bytes, at, width);
        at += width;
      }
      this.#set(index, TEXT, at, at + length);
      at += length;
    }
    if (at > until) throw new RangeError("the row ends early");
    this.count = count;
    return at;
  }

  #set(index: number, kind: number, start: number, end: number): void {
    this.#kinds[index] = kind;
    this.#starts[index] = start;
    this.#ends[index] = end;
  }

  #reserve(count: number): void {
    if (count <= this.#kinds.length) return;
    this.#kinds = new Uint8Array(count);
    this.#starts = new Int32Array(count);
    this.#ends = new Int32Array(count);
  }
}

/** Of a value in the answer to a query: its text. */
const TEXT = 2;
const NULL_TEXT = 0xfb;
/** From here on a length has bytes of its own. MySQL, "Protocol::LengthEncodedInteger". */
const LENGTH_2 = 0xfc;

/** Bytes of a bitmap over so many columns. */
export function bitmapBytes(count: number): number {
  return (count + 7) >> 3;
}

/** The unsigned number of up to 6 bytes, least significant first; NaN beyond the bytes. */
export function uintAt(bytes: Uint8Array, at: number, width: number): number {
  let value = 0;
  for (let index = width - 1; index >= 0; index--) {
    value = value * 256 + (bytes[at + index] ?? Number.NaN);
  }
  return value;
}

/** The same of 4 bytes; 0 for those beyond. */
export function u32At(bytes: Uint8Array, at: number): number {
  const low = (bytes[at] ?? 0) | ((bytes[at + 1] ?? 0) << 8) | ((bytes[at + 2] ?? 0) << 16);
  return (low | ((bytes[at + 3] ?? 0) << 24)) >>> 0;
}

/** Bytes that a decimal takes. */
export function decimalBytes(precision: number, scale: number): number {
  const whole = precision - scale;
  return digitBytes(whole) + digitBytes(scale);
}

function digitBytes(digits: number): number {
  const words = Math.floor(digits / DIGITS_PER_WORD);
  return words * 4 + (DIGIT_BYTES[digits % DIGITS_PER_WORD] ?? 0);
}

function isSet(bytes: Uint8Array, bitmap: number, index: number): boolean {
  return ((bytes[bitmap + (index >> 3)] ?? 0) & (1 << (index & 7))) !== 0;
}

function countBits(bytes: Uint8Array, bitmap: number, count: number): number {
  let total = 0;
  for (let index = 0; index < count; index++) if (isSet(bytes, bitmap, index)) total += 1;
  return total;
}

/** What a row is cut by: the layout of its columns. */
export function imageLayout(columns: readonly ImageColumn[]): ImageLayout {
  return Int32Array.from(columns, widthOf);
}

function widthOf({ type, meta }: ImageColumn): number {
  switch (type) {
    case BINLOG_TYPE.tiny:
    case BINLOG_TYPE.year:
      return 1;
    case BINLOG_TYPE.short:
      return 2;
    case BINLOG_TYPE.int24:
    case BINLOG_TYPE.date:
    case BINLOG_TYPE.newdate:
    case BINLOG_TYPE.time:
      return 3;
    case BINLOG_TYPE.long:
    case BINLOG_TYPE.float:
    case BINLOG_TYPE.timestamp:
      return 4;
    case BINLOG_TYPE.longlong:
    case BINLOG_TYPE.double:
    case BINLOG_TYPE.datetime:
      return 8;
    case BINLOG_TYPE.timestamp2:
      return 4 + ((meta + 1) >> 1);
    case BINLOG_TYPE.datetime2:
      return 5 + ((meta + 1) >> 1);
    case BINLOG_TYPE.time2:
      return 3 + ((meta + 1) >> 1);
    case BINLOG_TYPE.newdecimal:
      return decimalBytes(meta >> 8, meta & 255);
    case BINLOG_TYPE.enum:
    case BINLOG_TYPE.set:
    case BINLOG_TYPE.bit:
      return meta;
    default:
      return varyingOf(type, meta);
  }
}

function varyingOf(type: number, meta: number): number {
  switch (type) {
    case BINLOG_TYPE.varchar:
    case BINLOG_TYPE.varString:
    case BINLOG_TYPE.string:
    case BINLOG_TYPE.varcharCompressed:
      return meta > SHORT_STRING_MAX ? VARYING.long : VARYING.short;
    case BINLOG_TYPE.blob:
    case BINLOG_TYPE.blobCompressed:
    case BINLOG_TYPE.geometry:
    case BINLOG_TYPE.json:
    case BINLOG_TYPE.vector:
      return VARYING.blob - meta;
    default:
      return VARYING.unknown;
  }
}

/** Where the value that begins at `at` ends; NaN beyond the bytes. Throws RangeError for one without a layout. */
function varyingEnd(bytes: Uint8Array, at: number, width: number): number {
  if (width === VARYING.short) return at + 1 + (bytes[at] ?? Number.NaN);
  if (width <= VARYING.unknown) throw new RangeError("a value that the log has no layout of");
  const prefix = width === VARYING.long ? 2 : VARYING.blob - width;
  return at + prefix + uintAt(bytes, at, prefix);
}
