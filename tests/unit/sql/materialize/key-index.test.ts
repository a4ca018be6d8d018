/** Indexes of keys: they say where every key stands and nothing else, or they are not believed. */

import { expect, test } from "bun:test";
import { existsSync } from "node:fs";
import { join } from "node:path";
import {
  type KeyIndexOf,
  keyShape,
  makeKeyIndex,
  openKeyIndex,
  wantedKeys,
} from "../../../../sql/materialize/key-index.ts";
import { Bench, schemaOf } from "../../../support/lake-scan.ts";

const ROWS = 20_000;
const COLUMNS = schemaOf({
  flag: "boolean",
  small: "int",
  id: "long",
  day: "date",
  moment: "timestamptz",
  name: "string",
  raw: "binary",
  own: "uuid",
  ratio: "double",
});
/** Extremes and equal keys among them; `position` is where a row stands. */
const source = (
  from: number,
  to: number,
) => `SELECT i AS position, i % 2 = 0 AS flag, (i % 300 - 150)::INT AS small,
  CASE i % 5 WHEN 0 THEN -i WHEN 1 THEN i * 4294967296 WHEN 2 THEN 9223372036854775807 - i
    WHEN 3 THEN -9223372036854775808 + i ELSE i END::BIGINT AS id,
  DATE '1901-01-01' + (i * 3)::INT AS day, make_timestamptz(i * 1000001 - 7000000000) AS moment,
  CASE WHEN i % 7 = 0 THEN '' ELSE repeat('ä€😀', (i % 4)::INT) || i END AS name,
  encode(chr(1 + (i % 127)::INT) || i) AS raw,
  ('00000000-0000-4000-8000-' || lpad(i::VARCHAR, 12, '0'))::UUID AS own, i / 3 AS ratio
  FROM range(${from}, ${to}) t(i)`;
const SOURCE = source(0, ROWS);
const KEYS: readonly (readonly string[])[] = [
  ["id"],
  ["name"],
  ["small", "flag"],
  ["raw"],
  ["own"],
  ["day", "moment"],
  ["name", "id"],
  ["flag"],
];

test("every key is found at all of its places, and no other", async () => {
  await using bench = await Bench.open();
  const { db } = bench;
  await db.run(`CREATE TABLE stored AS ${SOURCE}`);
  for (const key of KEYS) {
    const names = key.join(", ");
    // Keys that are there, and others.
    await db.run(
      `CREATE OR REPLACE TEMP TABLE asked AS SELECT ${names}, row_number() OVER () - 1 AS nth FROM
       (SELECT DISTINCT ${names} FROM stored WHERE position % 61 = 0 OR small = 3
        UNION SELECT ${names} FROM (${source(ROWS, ROWS + 30)}))`,
    );
    const of = await made(bench, key);
    const index = openKeyIndex(of);
    const wanted = await wantedKeys(db, of.shape, "(FROM asked ORDER BY nth)");
    const { nths, positions } = index?.find(wanted) ?? { nths: [], positions: [] };
    index?.close();
    const pairs = nths.map((nth, at) => `${nth} ${positions[at]}`);
    const expected = await db.rows(
      `SELECT nth || ' ' || position AS pair FROM stored JOIN asked USING (${names})`,
    );
    expect(pairs.sort()).toEqual(expected.map((row) => String(row.pair)).sort());
    expect(pairs.length).toBeGreaterThan(300);
  }
});

test("keys whose equality is not that of their texts have none", () => {
  expect(keyShape(COLUMNS, ["ratio"])).toBeNull();
  expect(keyShape(COLUMNS, ["id", "ratio"])).toBeNull();
  expect(keyShape(COLUMNS, ["absent"])).toBeNull();
  expect(keyShape(COLUMNS, ["ID"])).not.toBeNull();
});

test("an index of another file, engine or key, or of none, is not opened", async () => {
  await using bench = await Bench.open();
  await bench.db.run(`CREATE TABLE stored AS ${SOURCE}`);
  const of = await made(bench, ["id"]);
  expect(openKeyIndex({ ...of, identity: "another" })).toBeNull();
  expect(openKeyIndex({ ...of, path: `${of.path}-absent` })).toBeNull();
  for (const text of ["", "short", "x".repeat(10_000)]) {
    await Bun.write(of.path, text);
    expect(openKeyIndex(of)).toBeNull();
  }
});

test("whatever byte of an index is another one, its answer is right or refused", async () => {
  await using bench = await Bench.open();
  const { db } = bench;
  await db.run(`CREATE TABLE stored AS ${SOURCE}`);
  await db.run(
    "CREATE TEMP TABLE asked AS SELECT DISTINCT name FROM stored WHERE position % 3 = 0",
  );
  const of = await made(bench, ["name"]);
  const wanted = await wantedKeys(db, of.shape, "asked");
  const answer = (): string => {
    const index = openKeyIndex(of);
    if (index === null) return "refused";
    try {
      return JSON.stringify(index.find(wanted));
    } catch (thrown) {
      expect(thrown).toMatchObject({ code: "corrupt" });
      return "refused";
    } finally {
      index.close();
    }
  };
  const right = answer();
  const whole = await Bun.file(of.path).bytes();
  let refused = 0;
  for (let nth = 0; nth < 300; nth++) {
    const bytes = Uint8Array.from(whole);
    const at = Math.floor((nth / 300) * whole.length);
    bytes[at] = (bytes[at] ?? 0) ^ (1 << (nth % 8));
    await Bun.write(of.path, nth % 10 === 9 ? bytes.subarray(0, at) : bytes);
    const said = answer();
    if (said === "refused") refused++;
    else expect(said).toBe(right);
  }
  expect(refused).toBeGreaterThan(290);
});

test("one that cannot be finished leaves nothing behind", async () => {
  await using bench = await Bench.open();
  await bench.db.run(`CREATE TABLE stored AS ${SOURCE}`);
  const failing = "SELECT *, CASE WHEN position = 19999 THEN error('gone') END AS x FROM stored";
  const of = indexOf(bench, ["id"]);
  await expect(
    makeKeyIndex(bench.db, of, failing, "(position + coalesce(x::INT, 0))"),
  ).rejects.toThrow();
  expect([of.path, of.temporary].map((path) => existsSync(path))).toEqual([false, false]);
});

function indexOf(bench: Bench, key: readonly string[]): KeyIndexOf {
  const shape = keyShape(COLUMNS, key);
  if (shape === null) throw new Error("these keys have indexes");
  const path = join(bench.folder, "keys", `${key.join("-")}.keys`);
  const temporary = bench.path("being-written.keys");
  return { path, temporary, shape, identity: `of ${key.join(", ")}`, rows: ROWS };
}

async function made(bench: Bench, key: readonly string[]): Promise<KeyIndexOf> {
  const of = indexOf(bench, key);
  await makeKeyIndex(bench.db, of, "SELECT * FROM stored", "position");
  return of;
}
