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

/** What stands in the place of a value: the same numbers as decoding has. */
export const PLACE = { null: 0, absent: 1, value: 3 } as const;

const DIGITS_PER_WORD = 9;
/** Bytes of 0 to 9 decimal digits. */
const DIGIT_BYTES = [0, 1, 1, 2, 2, 3, 3, 4, 4, 4] as const;
const SHORT_STRING_MAX = 255;
const PLACES_MIN = 64;

/** The values of one row; used again for every row, for there are millions. */
export class RowImage {
  count = 0;
  #kinds = new Uint8Array(PLACES_MIN);
  #starts = new Float64Array(PLACES_MIN);
  #ends = new Float64Array(PLACES_MIN);

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
    columns: readonly ImageColumn[],
    present: Uint8Array,
    bitmapAt: number,
  ): number {
    const { length } = columns;
    this.#reserve(length);
    const nullCount = countBits(present, bitmapAt, length);
    let at = from + ((nullCount + 7) >> 3);
    let seen = 0;
    for (let index = 0; index < length; index++) {
      let kind: number = PLACE.absent;
      let end = at;
      if (isSet(present, bitmapAt, index)) {
        const isNull = isSet(bytes, from, seen);
        seen += 1;
        kind = isNull ? PLACE.null : PLACE.value;
        const column = columns[index];
        if (!isNull && column !== undefined) end = valueEnd(bytes, at, column);
      }
      this.#kinds[index] = kind;
      this.#starts[index] = at;
      this.#ends[index] = end;
      at = end;
    }
    if (at > until) throw new RangeError("the row ends early");
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
    this.#starts = new Float64Array(count);
    this.#ends = new Float64Array(count);
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

/** Where the value that begins at `at` ends. Throws RangeError for a type that the log has no layout of. */
function valueEnd(bytes: Uint8Array, at: number, { type, meta }: ImageColumn): number {
  switch (type) {
    case BINLOG_TYPE.tiny:
    case BINLOG_TYPE.year:
      return at + 1;
    case BINLOG_TYPE.short:
      return at + 2;
    case BINLOG_TYPE.int24:
    case BINLOG_TYPE.date:
    case BINLOG_TYPE.newdate:
    case BINLOG_TYPE.time:
      return at + 3;
    case BINLOG_TYPE.long:
    case BINLOG_TYPE.float:
    case BINLOG_TYPE.timestamp:
      return at + 4;
    case BINLOG_TYPE.longlong:
    case BINLOG_TYPE.double:
    case BINLOG_TYPE.datetime:
      return at + 8;
    case BINLOG_TYPE.timestamp2:
      return at + 4 + ((meta + 1) >> 1);
    case BINLOG_TYPE.datetime2:
      return at + 5 + ((meta + 1) >> 1);
    case BINLOG_TYPE.time2:
      return at + 3 + ((meta + 1) >> 1);
    case BINLOG_TYPE.newdecimal:
      return at + decimalBytes(meta >> 8, meta & 255);
    case BINLOG_TYPE.enum:
    case BINLOG_TYPE.set:
    case BINLOG_TYPE.bit:
      return at + meta;
    default:
      return textEnd(bytes, at, type, meta);
  }
}

function textEnd(bytes: Uint8Array, at: number, type: number, meta: number): number {
  switch (type) {
    case BINLOG_TYPE.varchar:
    case BINLOG_TYPE.varString:
    case BINLOG_TYPE.string:
    case BINLOG_TYPE.varcharCompressed: {
      const width = meta > SHORT_STRING_MAX ? 2 : 1;
      return at + width + uintAt(bytes, at, width);
    }
    case BINLOG_TYPE.blob:
    case BINLOG_TYPE.blobCompressed:
    case BINLOG_TYPE.geometry:
    case BINLOG_TYPE.json:
    case BINLOG_TYPE.vector:
      return at + meta + uintAt(bytes, at, meta);
    default:
      throw new RangeError(`a value of type ${type}, which the log has no layout of`);
  }
}
