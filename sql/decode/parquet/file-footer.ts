/**
 * What the footers of data files say of their schema, and the texts in them, read here: a statement of the engine costs
 * more than the few bytes of a small file. parquet.thrift, FileMetaData.
 */

import { closeSync, fstatSync, openSync, readSync } from "node:fs";
import { deserializeTCompactProtocol } from "hyparquet/src/thrift.js";

/** An element of the schema tree, as `parquet_schema` of the engine tells it. */
export interface SchemaRow {
  readonly name: string;
  readonly id: number | null;
  readonly children: number;
  readonly repeated: boolean;
  readonly isMap: boolean;
}

export interface FileFooter {
  /** In preorder, the root first. */
  readonly schema: readonly SchemaRow[];
  readonly texts: ReadonlyMap<string, string>;
  /** Columns at the top whose statistics prove one and the same value in each row, by their names. */
  readonly constants: ReadonlySet<string>;
}

type Thrift = { readonly [key: `field_${number}`]: unknown };

/** Most footers of files that a run writes fit in what is read at once. */
const TAIL_BYTES = 16 * 1024;
const TRAILER_BYTES = 8;
const MAGIC = 0x31524150;
/** Larger footers, and those of many files, the engine reads sooner. */
const FOOTER_BYTES_MAX = 256 * 1024;
const FILES_MAX = 16;
const REPEATED = 2;
/** Of converted types: MAP and MAP_KEY_VALUE. */
const MAPS: ReadonlySet<unknown> = new Set([1, 2]);

/** Footers by path, and the files whose are left to the engine, which says what is wrong with them. */
export function fileFooters(paths: readonly string[]): {
  readonly footers: ReadonlyMap<string, FileFooter>;
  readonly left: readonly string[];
} {
  const footers = new Map<string, FileFooter>();
  if (paths.length > FILES_MAX) return { footers, left: paths };
  for (const path of paths) {
    const footer = fileFooter(path);
    if (footer !== null) footers.set(path, footer);
  }
  return { footers, left: paths.filter((path) => !footers.has(path)) };
}

function fileFooter(path: string): FileFooter | null {
  try {
    const bytes = footerBytes(path);
    return bytes === null ? null : footerOf(bytes);
  } catch {
    return null;
  }
}

function footerBytes(path: string): Uint8Array | null {
  const file = openSync(path, "r");
  try {
    const { size } = fstatSync(file);
    const read = (length: number): Uint8Array => {
      const bytes = new Uint8Array(length);
      return bytes.subarray(0, readSync(file, bytes, 0, length, size - length));
    };
    const tail = read(Math.min(size, TAIL_BYTES));
    const trailer = new DataView(tail.buffer, tail.length - TRAILER_BYTES, TRAILER_BYTES);
    const length = trailer.getUint32(0, true);
    if (trailer.getUint32(4, true) !== MAGIC || length > FOOTER_BYTES_MAX) return null;
    const whole = length + TRAILER_BYTES;
    const from = whole <= tail.length ? tail : read(whole);
    return from.length < whole ? null : from.subarray(from.length - whole, -TRAILER_BYTES);
  } finally {
    closeSync(file);
  }
}

function footerOf(bytes: Uint8Array): FileFooter {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const footer: Thrift = deserializeTCompactProtocol({ view, offset: 0 });
  const schema = structs(footer.field_2).map((element) => ({
    name: text(element.field_4),
    id: element.field_9 === undefined ? null : Number(element.field_9),
    children: Number(element.field_5 ?? 0),
    repeated: element.field_3 === REPEATED,
    isMap: MAPS.has(element.field_6),
  }));
  const texts = structs(footer.field_5).map(
    ({ field_1: key, field_2: value }) => [text(key), text(value)] as const,
  );
  return { schema, texts: new Map(texts), constants: constantsOf(structs(footer.field_4)) };
}

/** The value that rows of a group have in a column, where it is one; by the column's name. */
function constantsOf(groups: readonly Thrift[]): ReadonlySet<string> {
  const valuesByGroup = groups.map((group) => {
    const values = new Map<string, string>();
    for (const { field_3: data } of structs(group.field_1)) {
      const { field_3: names, field_12: statistics } = struct(data);
      const { field_6: min, field_5: max, field_3: nulls } = struct(statistics);
      const [name, ...inner] = Array.isArray(names) ? names : [];
      const isBytes = min instanceof Uint8Array && max instanceof Uint8Array;
      if (inner.length > 0 || !isBytes || Number(nulls ?? -1) !== 0) continue;
      if (Buffer.compare(min, max) === 0) values.set(text(name), Buffer.from(min).toString("hex"));
    }
    return values;
  });
  const [first = new Map<string, string>(), ...others] = valuesByGroup;
  const isEverywhere = ([name, value]: readonly [string, string]): boolean =>
    others.every((values) => values.get(name) === value);
  return new Set([...first].filter(isEverywhere).map(([name]) => name));
}

function struct(value: unknown): Thrift {
  return isThrift(value) ? value : {};
}

function structs(value: unknown): readonly Thrift[] {
  return Array.isArray(value) ? value.map(struct) : [];
}

function isThrift(value: unknown): value is Thrift {
  return typeof value === "object" && value !== null;
}

function text(value: unknown): string {
  return value instanceof Uint8Array ? Buffer.from(value).toString() : "";
}
