/** Row differences of two scans: by key, by whole rows, across schemas. */

import { expect, test } from "bun:test";
import type { Scan, ScanFile } from "../../../../core/table/types.ts";
import { diff } from "../../../../sql/diff/diff.ts";
import { Bench, scanOf, schemaOf, simpleType } from "../../../support/lake-scan.ts";

const SCHEMA = schemaOf({ id: "long", name: "string", n: "double", _batch: "string" });

async function table(bench: Bench, ...values: readonly string[]): Promise<Scan> {
  const files = [];
  for (const rows of values) {
    files.push(
      await bench.file(
        SCHEMA,
        `SELECT *, uuid()::VARCHAR AS _batch FROM (VALUES ${rows}) t(id, name, n)`,
      ),
    );
  }
  return scanOf("t", SCHEMA, files);
}

test("equal tables differ in nothing, however their rows lie in files", async () => {
  await using bench = await Bench.open();
  const before = await table(bench, "(1, 'a', 1), (2, NULL, 'NaN'::DOUBLE), (2, NULL, 'NaN')");
  const after = await table(
    bench,
    "(2, NULL, 'NaN'::DOUBLE)",
    "(2, NULL, 'NaN'::DOUBLE), (1, 'a', 1)",
  );
  for (const key of [[], ["id"]]) {
    expect(await diff(bench.context(), { before, after, key, limit: 10 })).toEqual({
      added: 0n,
      removed: 0n,
      changed: 0n,
      sample: [],
    });
  }
});

test("by key, a row of a new value is changed", async () => {
  await using bench = await Bench.open();
  const before = await table(bench, "(1, 'a', 1), (2, 'b', 2), (3, 'c', 3)");
  const after = await table(bench, "(1, 'a', 1), (2, 'b', 5), (4, 'd', NULL)");
  const found = await diff(bench.context(), { before, after, key: ["ID"], limit: 10 });
  expect(found).toEqual({
    added: 1n,
    removed: 1n,
    changed: 1n,
    sample: [
      {
        change: "changed",
        key: { id: "2" },
        values: [{ column: "n", before: "2.0", after: "5.0" }],
      },
      {
        change: "removed",
        key: { id: "3" },
        values: [
          { column: "name", before: "c", after: null },
          { column: "n", before: "3.0", after: null },
        ],
      },
      {
        change: "added",
        key: { id: "4" },
        values: [
          { column: "name", before: null, after: "d" },
          { column: "n", before: null, after: null },
        ],
      },
    ],
  });
});

test("without a key, copies are counted one by one", async () => {
  await using bench = await Bench.open();
  const before = await table(bench, "(1, 'a', 1), (1, 'a', 1), (1, 'a', 1), (2, 'b', 2)");
  const after = await table(bench, "(1, 'a', 1), (2, 'b', 3)");
  const found = await diff(bench.context(), { before, after, key: [], limit: 2 });
  expect([found.added, found.removed, found.changed]).toEqual([1n, 3n, 0n]);
  expect(found.sample).toHaveLength(2);
});

test("files of both versions are not read", async () => {
  await using bench = await Bench.open();
  const before = await table(bench, "(1, 'a', 1)", "(2, 'b', 2)");
  const [first, second] = before.files;
  if (first === undefined || second === undefined) throw new Error("two files");
  const gone = { ...first, localPath: "/nowhere/gone.parquet" };
  const more = await table(bench, "(3, 'c', 3)");
  const found = await diff(bench.context(), {
    before: { ...before, files: [gone, second] },
    after: { ...before, files: [gone, ...more.files] },
    key: ["id"],
    limit: 5,
  });
  expect([found.added, found.removed]).toEqual([1n, 1n]);
});

test("files of one length are told apart by their bytes, and each has one twin", async () => {
  await using bench = await Bench.open();
  const write = (value: number) =>
    bench.file(
      SCHEMA,
      `SELECT range AS id, '${value}' AS name, 1 AS n, 'b' AS _batch FROM range(3)`,
    );
  const [a, b, c] = [await write(1), await write(2), await write(1)];
  const compared = async (before: ScanFile[], after: ScanFile[]) => {
    const found = await diff(bench.context(), {
      before: scanOf("t", SCHEMA, before),
      after: scanOf("t", SCHEMA, after),
      key: ["id"],
      limit: 0,
    });
    return [found.added, found.removed, found.changed];
  };
  expect(a.file.sizeBytes).toBe(b.file.sizeBytes);
  expect(await compared([a], [c])).toEqual([0n, 0n, 0n]);
  expect(await compared([a], [b])).toEqual([0n, 0n, 3n]);
  expect(await compared([a], [a, c])).toEqual([3n, 0n, 0n]);
  expect(await compared([a, b], [c])).toEqual([0n, 3n, 0n]);
});

test("a changed row is found among many that stay", async () => {
  await using bench = await Bench.open();
  const write = (name: string) =>
    bench.file(
      SCHEMA,
      `SELECT range AS id, ${name} AS name, 1 AS n, 'b' AS _batch FROM range(130000) ORDER BY hash(range + len(name))`,
    );
  const found = await diff(bench.context(), {
    before: scanOf("t", SCHEMA, [await write("'same'")]),
    after: scanOf("t", SCHEMA, [await write("CASE range WHEN 77777 THEN 'other' ELSE 'same' END")]),
    key: ["id"],
    limit: 5,
  });
  expect([found.added, found.removed, found.changed, found.sample[0]?.key]).toEqual([
    0n,
    0n,
    1n,
    { id: "77777" },
  ]);
});

test("a sum that falls from nothing to a cent owed is changed, keyed or not, nested or not", async () => {
  await using bench = await Bench.open();
  const decimal = { kind: "decimal", precision: 38, scale: 2 } as const;
  const list = { kind: "list", elementId: 4, element: decimal, elementRequired: false } as const;
  const fields = [
    { id: 1, name: "id", required: false, type: simpleType("long") },
    { id: 2, name: "n", required: false, type: decimal },
    { id: 3, name: "l", required: false, type: list },
  ];
  const schema = { schemaId: 0, fields, identifierFieldIds: [] };
  const rows = (value: string) =>
    `SELECT id::BIGINT AS id, ${value}::DECIMAL(38,2) AS n, [${value}::DECIMAL(38,2)] AS l FROM range(3) t(id)`;
  const before = scanOf("t", schema, [await bench.file(schema, rows("0"))]);
  const value = "CASE id WHEN 1 THEN -0.01 ELSE 0 END";
  const after = scanOf("t", schema, [await bench.file(schema, rows(value))]);
  const keyed = await diff(bench.context(), { before, after, key: ["id"], limit: 1 });
  expect([keyed.added, keyed.removed, keyed.changed]).toEqual([0n, 0n, 1n]);
  const plain = await diff(bench.context(), { before, after, key: [], limit: 1 });
  expect([plain.added, plain.removed]).toEqual([1n, 1n]);
});

test("a column of another type or name is compared by its text", async () => {
  await using bench = await Bench.open();
  const before = await table(bench, "(1, '5', 1)");
  const schema = {
    schemaId: 1,
    fields: [
      { id: 1, name: "order_id", required: false, type: simpleType("long") },
      { id: 9, name: "name", required: false, type: simpleType("int") },
    ],
  };
  const file = await bench.file(schema, "SELECT 1 AS order_id, 5 AS name");
  const found = await diff(bench.context(), {
    before,
    after: scanOf("t", schema, [file]),
    key: ["order_id"],
    limit: 5,
  });
  expect(found.sample).toEqual([
    {
      change: "changed",
      key: { order_id: "1" },
      values: [{ column: "n", before: "1.0", after: null }],
    },
  ]);
});

test("columns of two tables are found by their names, not by ids that happen to be the same", async () => {
  await using bench = await Bench.open();
  const one = schemaOf({ id: "long", name: "string" });
  const other = schemaOf({ name: "string", id: "long" });
  const before = scanOf("a", one, [await bench.file(one, "SELECT 1::BIGINT AS id, 'x' AS name")]);
  const after = scanOf("b", other, [
    await bench.file(other, "SELECT 'x' AS name, 1::BIGINT AS id"),
  ]);
  const found = await diff(bench.context(), { before, after, key: [], limit: 10 });
  expect([found.added, found.removed]).toEqual([0n, 0n]);
});

test("where most rows differ, they are counted and shown as where few do", async () => {
  await using bench = await Bench.open();
  const schemas = [SCHEMA, schemaOf({ id: "long", name: "string", n: "int", _batch: "string" })];
  for (const schema of schemas) {
    // Two of each; all others, or all but those of every third id, of which one is gone.
    const made = async (name: string, rest: string) =>
      scanOf("t", schema, [
        await bench.file(
          schema,
          `SELECT id, ${name} AS name, 1 AS n, 'b' AS _batch FROM range(20000) r(id), range(2) c(c) WHERE ${rest}`,
        ),
      ]);
    const before = await made("'a' || id", "true");
    const other = await made("'b' || id", "true");
    const most = await made("if(id % 3 = 0, 'a', 'b') || id", "id % 3 <> 0 OR c = 0");
    const asked = { before, limit: 2 };
    const whole = await diff(bench.context(), { ...asked, after: other, key: [] });
    expect([whole.added, whole.removed, whole.changed]).toEqual([40_000n, 40_000n, 0n]);
    expect(whole.sample.map((row) => [row.change, row.values.slice(0, 2)])).toEqual([
      ["added", told("0", "b0", "after")],
      ["removed", told("0", "a0", "before")],
    ]);
    const part = await diff(bench.context(), { ...asked, after: most, key: [] });
    expect([part.added, part.removed, part.changed]).toEqual([26_666n, 33_333n, 0n]);
    const keyed = await diff(bench.context(), { ...asked, after: most, key: ["id"] });
    expect([keyed.added, keyed.removed, keyed.changed]).toEqual([0n, 6_667n, 26_666n]);
    expect(keyed.sample[0]?.change).toBe("removed");
  }
});

function told(id: string, name: string, side: "before" | "after") {
  const value = (column: string, text: string) => {
    return { column, before: null, after: null, [side]: text };
  };
  return [value("id", id), value("name", name)];
}
