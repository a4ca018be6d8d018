/** Events of a binary log for tests: rows of a table with an `id int` and a `name varchar(20)`, as servers do. */

import { deflateSync } from "node:zlib";
import { EVENT_HEAD_BYTES, ROWS_EVENT } from "../../core/ingest/binlog-rows.ts";
import { shapeColumn } from "./segment-file.ts";

/** Null is NULL; undefined is a column that is not in the image. */
export type NamedRow = readonly [id: number, name: string | null | undefined];

export const ID_COLUMN = shapeColumn("id", "int", 3, { typmod: 0, key: true });
export const NAME_COLUMN = {
  ...shapeColumn("name", "varchar", 15, { typmod: 80, charset: "utf8mb4" }),
  wire: { oid: 15, typmod: 80, name: "varchar(20)", kind: "base", charset: "utf8mb4" },
} as const;

const BITMAP_ALL = 0xff;
const BITMAP_ID = 0xfd;

export function inserted(rows: readonly NamedRow[], type: number = ROWS_EVENT.writeV1): Buffer {
  return event(type, [bitmap(rows)], rows.map(image));
}

export function deleted(rows: readonly NamedRow[]): Buffer {
  return event(ROWS_EVENT.deleteV1, [bitmap(rows)], rows.map(image));
}

/** Pairs of an old row and a new one. */
export function updated(pairs: readonly (readonly [NamedRow, NamedRow])[]): Buffer {
  const bitmaps = [bitmap(pairs.map(([old]) => old)), bitmap(pairs.map(([, row]) => row))];
  return event(
    ROWS_EVENT.updateV2,
    bitmaps,
    pairs.flatMap(([old, row]) => [image(old), image(row)]),
  );
}

/** The same as MariaDB's `log_bin_compress` has it. */
export function compressed(rows: readonly NamedRow[]): Buffer {
  const plain = Buffer.concat(rows.map(image));
  const packed = Buffer.concat([Buffer.of(0x82), uint(plain.length, 2, "BE"), deflateSync(plain)]);
  return event(ROWS_EVENT.mariaWriteCompressed, [bitmap(rows)], [packed]);
}

/** An event of two columns without its check sum. */
export function event(
  type: number,
  bitmaps: readonly number[],
  images: readonly Uint8Array[],
): Buffer {
  const isExtended = type >= ROWS_EVENT.writeV2 && type <= ROWS_EVENT.deleteV2;
  const more = isExtended ? [uint(2, 2)] : [];
  const rows = [uint(77, 6), uint(1, 2), ...more, Buffer.of(2, ...bitmaps), ...images];
  const body = Buffer.concat(rows);
  const head = [
    uint(0, 4),
    Buffer.of(type),
    uint(1, 4),
    uint(EVENT_HEAD_BYTES + body.length + 4, 4),
  ];
  return Buffer.concat([...head, uint(0, 4), uint(0, 2), body]);
}

function bitmap(rows: readonly NamedRow[]): number {
  return rows.some(([, name]) => name === undefined) ? BITMAP_ID : BITMAP_ALL;
}

function image([id, name]: NamedRow): Buffer {
  const nulls = Buffer.of(name === null ? 0xfe : 0xfc);
  const text = Buffer.from(name ?? "");
  const value = name === null || name === undefined ? [] : [Buffer.of(text.length), text];
  return Buffer.concat([nulls, uint(id, 4), ...value]);
}

function uint(value: number, width: number, order: "LE" | "BE" = "LE"): Buffer {
  const bytes = Buffer.alloc(width);
  if (order === "LE") bytes.writeUIntLE(value, 0, width);
  else bytes.writeUIntBE(value, 0, width);
  return bytes;
}
