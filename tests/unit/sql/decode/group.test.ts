/** Many files at once: one statement, one data file, their order, their partitions, their counts. */

import { expect, setDefaultTimeout, test } from "bun:test";
import { fieldIdsOf, Harness, T } from "./harness.ts";

setDefaultTimeout(120_000);

const A = { a: T.long };

test("2,000 files of ten rows are one data file", async () => {
  await using h = await Harness.open();
  const files = Array.from({ length: 2000 }, (_, index) => {
    const rows = Array.from({ length: 10 }, (_, row) => `${index * 10 + row}\n`);
    return h.file(`drops/f${index}.csv`, `a\n${rows.join("")}`);
  });
  const { decoded, rows } = await h.decode(files, A);
  expect(decoded.data.files.length).toBe(1);
  expect(rows.map((row) => Number(row.a))).toEqual(Array.from({ length: 20_000 }, (_, n) => n));
  expect(decoded.files.every((file) => file.rowsLanded === 10)).toBe(true);
});

test("files of other dialects and headers land beside each other", async () => {
  await using h = await Harness.open();
  const files = [
    h.file("a.csv", "a,b\n1,x\n"),
    h.file("b.csv", "b;a\ny;2\n"),
    h.file("c.json", '{"a":3,"b":"z"}\n'),
    h.file("d.csv", "a,b\n4,w\n"),
  ];
  const { decoded, rows } = await h.decode(files, { a: T.long, b: T.string });
  expect(decoded.data.files.length).toBe(3);
  expect(rows.map((row) => row.a).sort()).toEqual([1n, 2n, 3n, 4n]);
});

test("a name is a literal, whatever it looks like", async () => {
  await using h = await Harness.open();
  const names = ["a*b?[c].csv", "x'; drop table y --.csv", "ü ñ.csv"];
  const files = names.map((name, index) => h.file(name, `a\n${index}\n`));
  const { decoded } = await h.decode(files, A);
  const rows = await h.read(
    decoded.data.files.map((file) => file.path),
    "a, _source_file",
  );
  expect(rows).toEqual(names.map((name, index) => ({ a: BigInt(index), _source_file: name })));
});

test("by default all rows of a batch are of one day; others are split by their values", async () => {
  await using h = await Harness.open();
  const types = { a: T.long, at: T.timestamp, city: T.string };
  const content =
    "a,at,city\n1,2024-01-01 10:00:00,K\n2,2024-01-02 00:00:00,B\n3,,K\n4,2024-01-01 23:59:59,K\n";
  const request = h.request([h.file("x.csv", content)], types);
  const id = (name: string) => request.schema.fields.find((field) => field.name === name)?.id ?? 0;
  const spec = (...fields: [string, string][]) => ({
    specId: 0,
    fields: fields.map(([name, transform], index) => ({
      sourceId: id(name),
      fieldId: 1000 + index,
      name: `${name}_${index}`,
      transform,
    })),
  });
  const byBatch = await h.run({ ...request, spec: spec(["_ingested_at", "day"]) });
  expect(byBatch.decoded.data.files.map((file) => file.partition)).toEqual([[20777]]);
  const again = h.request(request.files, types);
  const byDay = await h.run({ ...again, spec: spec(["at", "day"], ["city", "identity"]) });
  const partitions = byDay.decoded.data.files.map((file) => [file.partition, file.rows]);
  expect(partitions.sort()).toEqual(
    [
      [[19723, "K"], 2n],
      [[19724, "B"], 1n],
      [[null, "K"], 1n],
    ].sort(),
  );
});

test("data files carry field ids at every level and say that they are in order", async () => {
  await using h = await Harness.open();
  const types = { s: T.struct({ x: T.long, l: T.list(T.string) }) };
  const { decoded } = await h.decode([h.file("x.json", '{"s":{"x":1,"l":["a"]}}')], types);
  const [file] = decoded.data.files;
  const found = await fieldIdsOf(file?.path ?? "");
  expect(found.ids).toEqual({
    s: 1,
    "s.x": 2,
    "s.l": 3,
    "s.l.list.element": 4,
    _source: 5,
    _source_file: 6,
    _batch: 7,
    _ingested_at: 8,
  });
  expect(found.order).toBe("0");
});

test("each file is announced before it is read", async () => {
  await using h = await Harness.open();
  await h.decode([h.file("a.csv", "a\n1\n"), h.file("b.csv", "a\n2\n")], A);
  expect(new Set(h.announced)).toEqual(new Set(["a.csv", "b.csv"]));
});
