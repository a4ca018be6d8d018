/** Footers read here say what the engine says of them; what is odd is left to the engine. */

import { expect, test } from "bun:test";
import { writeFileSync } from "node:fs";
import { fileFooters } from "../../../../../sql/decode/parquet/file-footer.ts";
import { quoteFileList } from "../../../../../sql/syntax/quote.ts";
import { Bench, plain } from "../../../../support/lake-scan.ts";

const VALUES = `SELECT 1 AS id, {a: 1, "b b": {c: [1, 2]}} AS s, [{x: 'é'}] AS l, MAP {'k': {v: 1.5}} AS m,
  MAP {1: [DATE '2024-01-01']} AS n, [[1]] AS ll, 'text' AS "ö", 1::DECIMAL(30, 4) AS d`;
const TEXT = "ä'\"";

test("schema and texts of a footer are those that the engine reads", async () => {
  await using bench = await Bench.open();
  const [withIds, without] = [bench.path("ids.parquet"), bench.path("none.parquet")];
  const ids = "field_ids {id: 7, s: {__duckdb_field_id: 2, a: 11}}";
  await bench.db.run(
    `COPY (${VALUES}) TO '${withIds}' (${ids}, kv_metadata {own: 'ä''"', empty: ''})`,
  );
  await bench.db.run(`COPY (${VALUES}) TO '${without}'`);
  const { footers, left } = fileFooters([withIds, without]);
  expect(left).toEqual([]);
  for (const path of [withIds, without]) {
    const said = await bench.db.rows(
      `SELECT name, field_id AS id, coalesce(num_children, 0) AS children,
         coalesce(repetition_type, '') = 'REPEATED' AS repeated, coalesce(converted_type, '') LIKE 'MAP%' AS "isMap"
       FROM parquet_schema(${quoteFileList([path])})`,
    );
    const own = footers.get(path)?.schema.map((row) => ({ ...row }));
    expect(own).toEqual(plain(said) as typeof own);
  }
  expect(footers.get(withIds)?.texts.get("own")).toBe(TEXT);
  expect(footers.get(withIds)?.texts.get("empty")).toBe("");
  expect(footers.get(without)?.texts.get("own")).toBeUndefined();
});

test("what is no Parquet, is not there, is cut, or is one of many is left to the engine", async () => {
  await using bench = await Bench.open();
  const whole = bench.path("whole.parquet");
  await bench.db.run(`COPY (${VALUES}) TO '${whole}'`);
  const bytes = await Bun.file(whole).bytes();
  const odd = {
    empty: new Uint8Array(0),
    text: Buffer.from("no Parquet at all"),
    magic: Buffer.from("PAR1"),
    cut: bytes.subarray(-60),
    flipped: bytes.map((byte, at) =>
      at > bytes.length - 200 && at < bytes.length - 8 ? 255 : byte,
    ),
    long: Buffer.concat([
      bytes.subarray(0, -8),
      Buffer.from([255, 255, 255, 127]),
      Buffer.from("PAR1"),
    ]),
  };
  for (const [name, content] of Object.entries(odd)) {
    const path = bench.path(`${name}.parquet`);
    writeFileSync(path, content);
    expect([name, fileFooters([path]).left]).toEqual([name, [path]]);
  }
  const gone = bench.path("gone.parquet");
  expect(fileFooters([whole, gone]).left).toEqual([gone]);
  const many = Array.from({ length: 17 }, () => whole);
  expect(fileFooters(many).left).toEqual(many);
});
