/** What was decoded while its transaction came is what would have been decoded of it as a whole, or it is nothing. */

import { expect, setDefaultTimeout, test } from "bun:test";
import { appendFileSync, existsSync, readdirSync } from "node:fs";
import type { DecodeRequest } from "../../../../../core/engine.ts";
import { decodeAhead, forgetAhead } from "../../../../../sql/decode/segment/ahead.ts";
import { planTable } from "../../../../../sql/decode/segment/table-plan.ts";
import { metricsOf } from "../../../../support/data-file-metrics.ts";
import { SegmentFile, shapeColumn, UNCHANGED } from "../../../../support/segment-file.ts";
import { Harness, READ } from "../harness.ts";

setDefaultTimeout(120_000);

const COLUMNS = [
  shapeColumn("id", "long", 20, { key: true }),
  shapeColumn("b", "boolean", 16),
  shapeColumn("s", "string", 25),
];
/** A correction of a row that is not there: each row is looked at. */
const BY_ROW: Partial<DecodeRequest> = {
  fixes: [{ id: "none", raw: null, place: { file: "0001.segment", position: "row 0" } }],
};
const FIRST_PLACE = 1_000;
const NAME = "0001.segment";
const ORDERS = { ...READ, table: "public.orders" };

/** Changes of two tables, more than a group of rows; its end is apart. */
function segment(rows: number, isOdd = false) {
  const file = new SegmentFile("postgres", FIRST_PLACE);
  const orders = file.shape({ columns: COLUMNS });
  const others = file.shape({ columns: COLUMNS.slice(0, 1), name: "public.others" });
  for (let id = 0; id < rows; id++) {
    if (id % 1_000 === 7) file.insert(others, [`${id}`]);
    const text = id % 7 === 0 ? null : `${id}`.repeat(9);
    file.insert(orders, [`${id}`, isOdd && id === 5 ? "odd" : "t", text]);
    if (id % 900 === 0)
      file.update(orders, [`${id}`, "f", UNCHANGED], { key: [`${id}`, null, null] });
    if (id % 901 === 0) file.delete(orders, { key: [`${id}`, null, null] });
  }
  const { rowCounts } = file;
  const begun = file.begun();
  file.transaction(0x1a2b);
  return { begun, end: file.bytes(), rows: rowCounts };
}

async function begin(rows: number, isOdd = false) {
  const h = await Harness.open();
  const { begun, end, rows: coming } = segment(rows, isOdd);
  const { path } = h.file(NAME, begun);
  const drop = () => ({ ...h.file(NAME, Buffer.concat([begun, end])) });
  const types = () => {
    const { columns } = planTable(drop().path, ORDERS.table);
    return Object.fromEntries(columns.map(({ name, type }) => [name, type]));
  };
  const known = types();
  const early = { name: "early", path, sha256: "", fromByte: 0, newlines: 0, coming };
  const ahead = h.request([{ ...early, sizeBytes: begun.length }], known, { read: ORDERS });
  const later = { name: NAME, path, sha256: "", fromByte: 0, newlines: 0 };
  const sizeBytes = begun.length + end.length;
  const ask = (more: Partial<DecodeRequest> = {}) =>
    h.request([{ ...later, sizeBytes }], known, { read: ORDERS, ...more });
  const commit = () => appendFileSync(path, end);
  return { h, path, ahead, ask, commit, drop, known };
}

test("rows, bounds and places are those of a segment that is read as a whole", async () => {
  const { h, ahead, ask, commit, drop, known } = await begin(130_000);
  await using _ = h;
  expect(await decodeAhead(ahead)).toBe(true);
  commit();
  const request = ask();
  const early = await h.run(request);
  expect(readdirSync(ahead.staging)).toEqual([]);
  const whole = await h.run(h.request([drop()], known, { read: ORDERS }));
  const said = async ({ decoded }: typeof early) => {
    const path = decoded.data.files[0]?.path ?? "";
    const { recordCount, keyValue, metrics } = await metricsOf(path, request.schema);
    const columns = [...metrics].map(([id, { sizeBytes: __, ...rest }]) => ({ id, ...rest }));
    return { recordCount, keyValue, columns: columns.toSorted((a, b) => a.id - b.id) };
  };
  expect(await said(early)).toEqual(await said(whole));
  expect(early.decoded.files).toEqual(whole.decoded.files);
  const sums = async ({ decoded }: typeof early) =>
    h.read(
      decoded.data.files.map(({ path }) => path),
      `count(*) AS rows, sum(hash(COLUMNS(*)))`,
    );
  const [first] = await sums(early);
  expect(first).toEqual((await sums(whole))[0] ?? {});
});

test("other terms, a correction or an odd value: it is read as a whole", async () => {
  const { h, ahead, ask, commit, drop, known } = await begin(2_000);
  await using _ = h;
  const turned = Object.fromEntries(Object.entries(known).toReversed());
  const { schema, columns } = h.request([], turned, { read: ORDERS });
  expect(await decodeAhead({ ...ahead, schema, columns })).toBe(true);
  commit();
  const wanted = await h.run(h.request([drop()], known, { read: ORDERS }));
  const found = await h.run(ask());
  expect(found.rows).toEqual(wanted.rows);
  expect(readdirSync(ahead.staging)).toEqual([]);
});

test("an odd value among them: nothing is kept, and it is set aside later", async () => {
  const { h, ahead, ask, commit } = await begin(50, true);
  await using _ = h;
  expect(await decodeAhead(ahead)).toBe(false);
  expect(readdirSync(ahead.staging)).toEqual([]);
  commit();
  const { decoded } = await h.run(ask());
  expect(decoded.files[0]).toMatchObject({ rowsLanded: 51, rowsQuarantined: 1 });
});

test("rows that are looked at one by one have the same places", async () => {
  const { h, ask, commit, drop, known } = await begin(2_000);
  await using _ = h;
  commit();
  const wanted = await h.run(h.request([drop()], known, { read: ORDERS }));
  const found = await h.run(ask(BY_ROW));
  expect(found.rows).toEqual(wanted.rows);
  expect(found.rows.map((row) => row._position)).toContain("0000000000001A2B-000003e8");
});

test("what is forgotten leaves nothing", async () => {
  const { h, ahead, path } = await begin(50);
  await using _ = h;
  expect(await decodeAhead(ahead)).toBe(true);
  expect(existsSync(`${ahead.staging}/ahead.parquet`)).toBe(true);
  forgetAhead([path]);
  expect(readdirSync(ahead.staging)).toEqual([]);
});

test("the transaction of a segment that is damaged, or has no end, is not guessed", async () => {
  const { h, path, ask, commit, drop } = await begin(50);
  await using _ = h;
  const { decoded } = await h.run(ask());
  expect(decoded.files[0]?.fault?.message).toContain("does not end as one does");
  commit();
  const whole = await Bun.file(drop().path).bytes();
  const at = Buffer.from(whole).lastIndexOf('"xid":"6699"');
  whole[at + 7] = "7".charCodeAt(0);
  const damaged = h.file(NAME, whole);
  const later = await h.run({ ...ask(), files: [damaged] });
  expect(later.decoded.files[0]?.fault?.message).toContain("what its changes belong to");
  expect(existsSync(path)).toBe(true);
});
