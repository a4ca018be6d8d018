/** Values of type VARIANT as exact values. VariantEncoding.md and VariantShredding.md of the Parquet format. */

import { compareCodePoints } from "../../../core/base/order.ts";
import {
  Day,
  Decimal,
  Entries,
  type Exact,
  Instant,
  isList,
  Time,
} from "../lossless/exact-value.ts";

const DEPTH_MAX = 500;

/**
 * The value of a group of `metadata`, `value` and `typed_value`, as it was put together; undefined where it is missing,
 * which a field of an object may be. Throws RangeError for bytes that are none.
 */
export function variantOf(group: Entries): Exact | undefined {
  const metadata = partOf(group, "metadata");
  if (!(metadata instanceof Uint8Array)) throw new RangeError("a variant has no metadata");
  return unshredded(group, new Names(metadata));
}

/** Strings of the objects' keys. */
class Names {
  readonly #view: DataView;
  readonly #width: number;
  readonly #count: number;

  constructor(bytes: Uint8Array) {
    this.#view = viewOf(bytes);
    const head = this.#view.getUint8(0);
    if ((head & 15) !== 1) throw new RangeError(`a variant of version ${head & 15}`);
    this.#width = (head >> 6) + 1;
    this.#count = little(this.#view, 1, this.#width);
  }

  at(index: number): string {
    if (index >= this.#count) throw new RangeError("a variant names a key that is not there");
    const offset = (place: number) =>
      little(this.#view, 1 + this.#width * (place + 1), this.#width);
    const start = 1 + this.#width * (this.#count + 2);
    return textAt(this.#view, start + offset(index), offset(index + 1) - offset(index));
  }
}

function unshredded(group: Entries, names: Names): Exact | undefined {
  const bytes = partOf(group, "value");
  const typed = partOf(group, "typed_value");
  const own =
    bytes instanceof Uint8Array ? new Binary(viewOf(bytes), names).value(0, 0) : undefined;
  if (typed === null) return own;
  if (isList(typed)) return typed.map((item) => nested(item, names) ?? null);
  if (!(typed instanceof Entries)) return typed;
  const fields = typed.pairs.flatMap(([name, item]) => {
    const value = nested(item, names);
    return value === undefined ? [] : [[name, value] as const];
  });
  return objectOf([...fields, ...(own instanceof Entries ? own.pairs : [])]);
}

/** An object has no order of its own: by its keys. */
function objectOf(pairs: readonly (readonly [string, Exact])[]): Entries {
  return new Entries([...pairs].sort(([a], [b]) => compareCodePoints(a, b)));
}

function nested(item: Exact, names: Names): Exact | undefined {
  return item instanceof Entries ? unshredded(item, names) : undefined;
}

function partOf(group: Entries, wanted: string): Exact {
  return group.pairs.find(([name]) => name === wanted)?.[1] ?? null;
}

class Binary {
  readonly #view: DataView;
  readonly #names: Names;

  constructor(view: DataView, names: Names) {
    this.#view = view;
    this.#names = names;
  }

  value(at: number, depth: number): Exact {
    if (depth > DEPTH_MAX) throw new RangeError("a variant nests too deep");
    const head = this.#view.getUint8(at);
    const [kind, detail] = [head & 3, head >> 2];
    if (kind === 0) return this.#primitive(detail, at + 1);
    if (kind === 1) return textAt(this.#view, at + 1, detail);
    return kind === 2 ? this.#object(detail, at + 1, depth) : this.#array(detail, at + 1, depth);
  }

  #object(detail: number, at: number, depth: number): Entries {
    const [offsetWidth, idWidth] = [(detail & 3) + 1, ((detail >> 2) & 3) + 1];
    const countWidth = (detail >> 4) & 1 ? 4 : 1;
    const count = little(this.#view, at, countWidth);
    const ids = at + countWidth;
    const offsets = ids + count * idWidth;
    const values = offsets + (count + 1) * offsetWidth;
    this.#within(values);
    const pairs = Array.from({ length: count }, (_, index) => {
      const name = this.#names.at(little(this.#view, ids + index * idWidth, idWidth));
      const offset = little(this.#view, offsets + index * offsetWidth, offsetWidth);
      return [name, this.value(values + offset, depth + 1)] as const;
    });
    return objectOf(pairs);
  }

  #array(detail: number, at: number, depth: number): Exact {
    const width = (detail & 3) + 1;
    const countWidth = (detail >> 2) & 1 ? 4 : 1;
    const count = little(this.#view, at, countWidth);
    const offsets = at + countWidth;
    const values = offsets + (count + 1) * width;
    this.#within(values);
    return Array.from({ length: count }, (_, index) =>
      this.value(values + little(this.#view, offsets + index * width, width), depth + 1),
    );
  }

  #within(end: number): void {
    if (end > this.#view.byteLength) throw new RangeError("a variant is cut");
  }

  #primitive(type: number, at: number): Exact {
    const view = this.#view;
    const long = () => view.getBigInt64(at, true);
    switch (type) {
      case 0:
        return null;
      case 1:
      case 2:
        return type === 1;
      case 3:
        return BigInt(view.getInt8(at));
      case 4:
        return BigInt(view.getInt16(at, true));
      case 5:
        return BigInt(view.getInt32(at, true));
      case 6:
        return long();
      case 7:
        return view.getFloat64(at, true);
      case 8:
        return new Decimal(BigInt(view.getInt32(at + 1, true)), view.getUint8(at));
      case 9:
        return new Decimal(view.getBigInt64(at + 1, true), view.getUint8(at));
      case 10: {
        const high = view.getBigInt64(at + 9, true) << 64n;
        return new Decimal(high | view.getBigUint64(at + 1, true), view.getUint8(at));
      }
      case 11:
        return new Day(view.getInt32(at, true));
      case 12:
      case 13:
        return new Instant(long(), 0, type === 12);
      case 14:
        return view.getFloat32(at, true);
      case 15:
        return bytesAt(view, at + 4, view.getUint32(at, true)).slice();
      case 16:
        return textAt(view, at + 4, view.getUint32(at, true));
      case 17:
        return new Time(long());
      case 18:
      case 19: {
        const nanos = ((long() % 1000n) + 1000n) % 1000n;
        return new Instant((long() - nanos) / 1000n, Number(nanos), type === 18);
      }
      case 20:
        return uuidText(bytesAt(view, at, 16));
      default:
        throw new RangeError(`a variant of the unknown type ${type}`);
    }
  }
}

function uuidText(bytes: Uint8Array): string {
  const hex = Buffer.from(bytes).toString("hex");
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})/, "$1-$2-$3-$4-");
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
}

function little(view: DataView, at: number, width: number): number {
  let value = 0;
  for (let index = 0; index < width; index++) value += view.getUint8(at + index) * 256 ** index;
  return value;
}

function bytesAt(view: DataView, at: number, length: number): Uint8Array {
  if (length < 0 || at + length > view.byteLength) throw new RangeError("a variant is cut");
  return new Uint8Array(view.buffer, view.byteOffset + at, length);
}

/** Throws for bytes that are not UTF-8. */
function textAt(view: DataView, at: number, length: number): string {
  return TEXT.decode(bytesAt(view, at, length));
}

const TEXT = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
