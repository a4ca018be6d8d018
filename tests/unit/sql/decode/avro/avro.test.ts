/** Avro files: rows and files that cannot land are set aside with the reason, and the others land. */

import { expect, setDefaultTimeout, test } from "bun:test";
import type { Type } from "../../../../../core/table/types.ts";
import { oldId } from "../../../../../sql/decode/fixes.ts";
import {
  type AvroJson,
  avroContainer,
  avroFile,
  avroRecord,
  sized,
  zigzag,
} from "../../../../support/avro-file.ts";
import { Harness, T } from "../harness.ts";

setDefaultTimeout(120_000);

async function land(
  file: Uint8Array,
  columns: Readonly<Record<string, Type>>,
  more: Parameters<Harness["decode"]>[2] = {},
) {
  await using h = await Harness.open();
  return await h.decode([h.file("x.avro", file)], columns, more);
}

test("texts that are not UTF-8, values that do not fit, and what is required", async () => {
  const fields: Readonly<Record<string, AvroJson>> = { id: ["null", "long"], s: "string" };
  const id = (value: number | null) =>
    value === null ? zigzag(0) : Buffer.concat([zigzag(1), zigzag(value)]);
  const rows = [
    Buffer.concat([id(1), sized("ok")]),
    Buffer.concat([id(2), sized(Buffer.of(97, 0xff))]),
    Buffer.concat([id(2 ** 40), sized("x")]),
    Buffer.concat([id(null), sized("x")]),
    Buffer.concat([id(5), sized("\ufffd")]),
  ];
  await using h = await Harness.open();
  const claimed = h.file("x.avro", avroContainer(avroRecord(fields), rows));
  const request = h.request([claimed], { id: T.int, s: T.string });
  const columns = request.columns.map((column) => ({ ...column, required: column.name === "id" }));
  const { rows: landed, rejects, decoded } = await h.run({ ...request, columns });
  expect(landed.map((row) => row.id)).toEqual([1, 5]);
  expect(rejects.map((row) => [row.position, row.reason, row.raw])).toEqual([
    ["row 2", "encoding", '{"id":2,"s":"a\\\\xFF"}'],
    ["row 3", "type", '{"id":1099511627776,"s":"x"}'],
    ["row 4", "required", '{"id":null,"s":"x"}'],
  ]);
  expect(decoded.files[0]).toMatchObject({ rowsIn: 5, rowsLanded: 2, rowsQuarantined: 3 });

  const fixes = [
    {
      id: oldId(claimed.sha256, String(rejects[0]?.position)),
      raw: '{"id":2,"s":"mended"}',
      place: null,
    },
    { id: oldId(claimed.sha256, String(rejects[1]?.position)), raw: null, place: null },
    {
      id: oldId(claimed.sha256, String(rejects[2]?.position)),
      raw: '{"id":1.5,"s":"x"}',
      place: null,
    },
  ];
  const again = await h.run({
    ...h.request([claimed], { id: T.int, s: T.string }),
    columns,
    fixes,
  });
  expect(again.rows.map((row) => row.s)).toEqual(["ok", "mended", "\ufffd"]);
  expect(again.rejects.map((row) => [row.id, row.raw])).toEqual([
    [rejects[2]?.id, '{"id":1.5,"s":"x"}'],
  ]);
});

test("what the caller wants to learn is reported with its type, and nothing is written", async () => {
  const file = avroFile(avroRecord({ a: "long", b: "double", c: "string" }), [
    { a: 2n ** 40n, b: 1.5, c: "x" },
  ]);
  const types = { a: T.int, c: T.string };
  const reported = await land(file, types, { onMisfit: "report", onUnknown: "report" });
  expect(reported.rows).toEqual([]);
  expect(reported.decoded.files[0]?.misfits.map(({ name, type }) => [name, type])).toEqual([
    ["a", T.long],
    ["b", T.double],
  ]);
  const kept = await land(file, { c: T.string }, { onUnknown: "rescue" });
  expect(kept.rows).toEqual([{ c: "x", _rescued: '{"a":1099511627776,"b":1.5}' }]);
  const refused = await land(file, { c: T.string });
  expect(refused.rejects.map((row) => [row.reason, row.column_name])).toEqual([
    ["unknown-field", "a"],
  ]);
});

test("expressions see every field as text", async () => {
  await using h = await Harness.open();
  const rows = [
    { mail: "a@x", n: 7n },
    { mail: "b@x", n: 8n },
  ];
  const claimed = h.file("x.avro", avroFile(avroRecord({ mail: "string", n: "long" }), rows));
  const request = h.request([claimed], { mail: T.string, n: T.long });
  const columns = request.columns.map((column) => ({
    ...column,
    expression: column.name === "mail" ? "upper(mail) || n" : "n::BIGINT * 2",
  }));
  const { rows: landed } = await h.run({ ...request, columns });
  expect(landed).toEqual([
    { mail: "A@X7", n: 14n },
    { mail: "B@X8", n: 16n },
  ]);
});

const ONE = avroFile(avroRecord({ a: "long" }), [{ a: 1n }, { a: 2n }], { blockRows: 1 });

function cut(file: Buffer, bytes: number): Buffer {
  return file.subarray(0, file.length - bytes);
}

function turned(file: Buffer, fromEnd: number): Buffer {
  const copy = Buffer.from(file);
  const at = copy.length - fromEnd;
  copy[at] = (copy[at] ?? 0) ^ 0xff;
  return copy;
}

test.each<[string, Uint8Array, RegExp]>([
  ["cut in its last block", cut(ONE, 3), /block 2 .* is cut short/],
  ["cut in its header", ONE.subarray(0, 40), /header/],
  ["a wrong sync marker", turned(ONE, 1), /block 2 .* sync marker is wrong/],
  [
    "bytes left over",
    avroContainer(avroRecord({ a: "long" }), [Buffer.of(2, 2)]),
    /1 byte is left/,
  ],
  [
    "bytes that end early",
    avroContainer(avroRecord({ a: "long" }), [Buffer.of(0x80)]),
    /end early/,
  ],
  ["a codec nobody reads", avroFile(avroRecord({ a: "int" }), [], { codec: "xz" }), /codec xz/],
  [
    "data that is not deflated",
    avroFile(avroRecord({ a: "int" }), [{ a: 1 }], { codec: "deflate", pack: (b) => b }),
    /block 1/,
  ],
  [
    "a checksum that is wrong",
    avroFile(avroRecord({ a: "string" }), [{ a: "abcdef" }], {
      codec: "snappy",
      pack: () => Buffer.from([1, 0, 2, 9, 9, 9, 9]),
    }),
    /checksum/,
  ],
  ["a schema that names nothing", avroContainer(avroRecord({ a: "Nothing" }), []), /Nothing/],
  [
    "a list of nothing without end",
    avroContainer(avroRecord({ a: { type: "array", items: "null" } }), [
      Buffer.concat([zigzag(2 ** 40), zigzag(0)]),
    ]),
    /without bytes/,
  ],
])("set aside whole: %s", async (_, file, message) => {
  await using h = await Harness.open();
  const good = h.file("good.avro", ONE);
  const bad = h.file("bad.avro", file);
  const { rows, decoded } = await h.decode([bad, good], { a: T.long });
  expect(rows).toEqual([{ a: 1n }, { a: 2n }]);
  expect(decoded.files[0]?.fault?.message).toMatch(message);
  expect(decoded.files[0]).toMatchObject({ rowsIn: 0, rowsLanded: 0 });
  expect(decoded.files[1]).toMatchObject({ rowsIn: 2, rowsLanded: 2, fault: null });
});

test("more bytes or rows than the limits allow", async () => {
  await using h = await Harness.open();
  const rows = Array.from({ length: 5000 }, () => ({ a: "x".repeat(100) }));
  const claimed = h.file(
    "x.avro",
    avroFile(avroRecord({ a: "string" }), rows, { codec: "deflate" }),
  );
  for (const limit of [{ decodedBytesMax: 100_000 }, { rowsMax: 2500 }]) {
    const request = h.request([claimed], { a: T.string });
    const { decoded } = await h.run({ ...request, limits: { ...request.limits, ...limit } });
    expect(decoded.files[0]?.fault?.message).toMatch(/more than/);
    expect(decoded.data.rows).toBe(0n);
  }
});

test("many rows in several parts keep their order", async () => {
  const count = 150_000;
  const rows = Array.from({ length: count }, (_, index) => ({ a: BigInt(index) }));
  const file = avroFile(avroRecord({ a: "long" }), rows, { codec: "deflate", blockRows: 5000 });
  const { rows: landed, decoded } = await land(file, { a: T.long });
  expect(decoded.files[0]).toMatchObject({ rowsIn: count, rowsLanded: count });
  expect(landed.findIndex((row, index) => row.a !== BigInt(index))).toBe(-1);
});

test("names that differ in case only are two columns", async () => {
  const file = avroFile(avroRecord({ Id: "int", ID: "int" }), [{ Id: 1, ID: 2 }]);
  await using h = await Harness.open();
  expect(await h.types(file, "x.avro")).toEqual({ Id: "int", ID_1: "int" });
  const { rows } = await land(file, { Id: T.int, ID_1: T.int });
  expect(rows).toEqual([{ Id: 1, ID_1: 2 }]);
});
