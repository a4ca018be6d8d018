/** Data files that are written here, beside those that the engine writes of the same rows. */

import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { parquetMetadata, parquetRead } from "hyparquet";
import { compressors } from "hyparquet-compressors";
import type { Type } from "../../../../../core/table/types.ts";
import type { PartColumn } from "../../../../../sql/decode/made/column-part.ts";
import { ParquetFile, type PartField } from "../../../../../sql/decode/made/parquet-file.ts";
import { leavesOf } from "../../../../../sql/decode/made/part-leaves.ts";
import { RunColumn } from "../../../../../sql/decode/made/run-column.ts";
import { openDuckDB } from "../../../../../sql/duckdb/duckdb.ts";
import { writeRows } from "../../../../../sql/write/partition.ts";
import { readDataFileMetrics } from "../../../../../storage/parquet/footer.ts";
import { tempFolder } from "../../../../support/temp-folder.ts";
import { schemaOf, T } from "../harness.ts";

const primitive = (name: "float" | "time" | "binary" | "uuid"): Type => ({
  kind: "primitive",
  name,
});

/** Values of a column, null where a row has none. */
function column<Value>(
  name: string,
  type: Type,
  values: readonly (Value | null)[],
  put: (to: PartColumn, value: Value) => void,
) {
  const [leaf] = leavesOf(type, "zstd");
  if (leaf === undefined) throw new Error("a type without a leaf");
  for (const value of values) {
    if (value === null) leaf.missing(0);
    else {
      leaf.present();
      put(leaf, value);
    }
  }
  return { name, type, leaves: [leaf] };
}

function fixed(to: PartColumn, value: bigint): void {
  const at = to.fixed(16);
  to.bytes.writeBigInt64BE(value >> 64n, at);
  to.bytes.writeBigUInt64BE(BigInt.asUintN(64, value), at + 8);
}

const bigint = (to: PartColumn, value: bigint): void => to.bigint(value);
const int = (to: PartColumn, value: number): void => to.int(value);
const text = (to: PartColumn, value: string): void => to.text(value);
const ROWS = 4;

function columns() {
  const before = T.struct({ k: T.long, v: T.string });
  const [k, v] = leavesOf(before, "zstd");
  const unchanged = T.list(T.string);
  const [item] = leavesOf(unchanged, "zstd");
  if (k === undefined || v === undefined || item === undefined) throw new Error("leaves");
  // No old row; one of nothing but its key; one with both; none.
  k.missing(0);
  v.missing(0);
  k.present();
  k.bigint(-5n);
  v.missing(1);
  k.present();
  k.bigint(7n);
  v.present();
  v.text("old");
  k.missing(0);
  v.missing(0);
  // None, one, two, none.
  item.missing(0);
  item.present();
  item.text("a");
  item.present();
  item.text("b");
  item.present(1);
  item.text("c");
  item.missing(0);
  return [
    column("flag", T.boolean, [true, null, false, true], (to, value) => to.boolean(value)),
    column("i", T.int, [5, -7, null, 2 ** 31 - 1], int),
    column("l", T.long, [2n ** 40n, -(2n ** 63n), null, -1n], bigint),
    column("f", primitive("float"), [0, -1.5, null, 2], (to, value) => to.float(value)),
    column("d", T.double, [-0, 1e300, null, 0.1], (to, value) => to.double(value)),
    column("small", T.decimal(9, 2), [-1_250n, null, 999_999_999n, 0n], bigint),
    column("mid", T.decimal(18, 3), [-(10n ** 17n), null, 1n, 2n], bigint),
    column("wide", T.decimal(38, 5), [-(10n ** 37n), null, 10n ** 30n, -1n], fixed),
    column("day", T.date, [-719_162, null, 20_000, 0], int),
    column("at", primitive("time"), [0n, 86_399_999_999n, null, 1n], bigint),
    column("ts", T.timestamp, [-1n, null, 1n, 1_800_000_000_000_000n], bigint),
    column("tz", T.timestamptz, [-1n, null, 1n, 1_800_000_000_000_000n], bigint),
    column("s", T.string, ["z", "", null, "\u{1f600}é"], text),
    column("b", primitive("binary"), ["\u0000", null, "b", "a"], text),
    column("u", primitive("uuid"), [1n, -1n, null, 2n ** 100n], fixed),
    column("none", T.string, [null, null, null, null] as (string | null)[], text),
    { name: "_before", type: before, leaves: [k, v] },
    { name: "_unchanged", type: unchanged, leaves: [item] },
    constant("_source", T.string, "shop"),
    constant("_ingested_at", T.timestamptz, 1_764_000_000_123_456),
  ];
}

function constant(name: string, type: Type, value: string | number) {
  const runs = new RunColumn(type, "zstd");
  runs.add(value, ROWS);
  return { name, type, leaves: [runs] };
}

/** Answers its bytes. */
function write(path: string, fields: readonly PartField[], footer: ReadonlyMap<string, string>) {
  const file = new ParquetFile(path, fields, { form: "zstd", footer });
  file.group(ROWS);
  return file.finish();
}

function table() {
  const made = columns();
  const schema = schemaOf(made);
  const fields = made.map((field, index): PartField => {
    const { id = 0, type = field.type } = schema.fields[index] ?? {};
    return { ...field, id, type };
  });
  return { schema, fields };
}

test("the engine reads of a data file what it would have written, and says the same of it", async () => {
  await using folder = await tempFolder();
  const { schema, fields } = table();
  const path = join(folder.path, "ours.parquet");
  const sizeBytes = write(path, fields, new Map([["tarn.row-order", "0"]]));
  expect(readFileSync(path)).toHaveLength(sizeBytes);
  const options = { threads: 1, memoryBytes: 1e9, tempFolder: null, lockdown: false };
  await using db = await openDuckDB({ ...options, allowedPaths: [], allowedFolders: [] });
  const { files } = await writeRows(db, `SELECT * FROM read_parquet('${path}')`, {
    schema,
    spec: { specId: 0, fields: [] },
    folder: folder.path,
    name: "theirs",
    footer: { "tarn.row-order": "0" },
  });
  const theirs = files[0]?.path ?? "";
  const rowsOf = (file: string) => db.rows(`SELECT * FROM read_parquet('${file}')`);
  const rows = await rowsOf(path);
  expect(rows).toEqual(await rowsOf(theirs));
  expect(rows.map(({ small, s, _before, _unchanged }) => [small, s, _before, _unchanged])).toEqual([
    ["-12.50", "z", null, null],
    [null, "", { k: -5n, v: null }, ["a"]],
    ["9999999.99", null, { k: 7n, v: "old" }, ["b", "c"]],
    ["0.00", "\u{1f600}é", null, null],
  ]);
  const said = async (file: string) => {
    const bytes = readFileSync(file);
    const read = async (start: number, end: number) => bytes.subarray(start, end);
    const source = { name: file, sizeBytes: bytes.length, read };
    const { recordCount, metrics, keyValue } = await readDataFileMetrics(source, schema);
    const told = [...metrics].map(([id, { sizeBytes: _, ...rest }]) => [id, rest]);
    return { recordCount, keyValue: [...keyValue], metrics: told };
  };
  expect(await said(path)).toEqual(await said(theirs));
});

test("another reader finds the same in a data file", async () => {
  await using folder = await tempFolder();
  const { schema, fields } = table();
  const path = join(folder.path, "ours.parquet");
  write(path, fields, new Map());
  const bytes = readFileSync(path);
  const file = bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length);
  const found: Record<string, unknown>[] = [];
  await parquetRead({
    file,
    compressors,
    rowFormat: "object",
    onComplete: (rows) => found.push(...rows),
  });
  expect(parquetMetadata(file).schema.at(1)?.field_id).toBe(schema.fields[0]?.id);
  expect(found.map(({ i, small, l, _source, none }) => [i, small, l, _source, none])).toEqual([
    [5, -12.5, 2n ** 40n, "shop", null],
    [-7, null, -(2n ** 63n), "shop", null],
    [null, 9_999_999.99, null, "shop", null],
    [2 ** 31 - 1, 0, -1n, "shop", null],
  ]);
});
