/** Protobuf by the text of its schema: every kind of field as it was sent, and bytes that are none. */

import { expect, test } from "bun:test";
import { typeToText } from "../../../../../core/table/type-text.ts";
import { EnvelopeFault } from "../../../../../sql/decode/envelope/change.ts";
import { type Exact, exactJson } from "../../../../../sql/decode/lossless/exact-value.ts";
import { compileProtobuf } from "../../../../../sql/decode/registry/protobuf.ts";
import { Unreadable } from "../../../../../sql/decode/unreadable.ts";
import { protoBytes, protoPath } from "../../../../support/proto-bytes.ts";

const FIRST = protoPath(0);

function read(text: string, ...bytes: readonly Uint8Array[]): Exact {
  const opened = compileProtobuf(text, [])(Buffer.concat([FIRST, ...bytes]));
  return opened.reader.whole(opened.bytes);
}

function typeOf(text: string): string {
  return typeToText(compileProtobuf(text, [])(FIRST).reader.type);
}

const SCALARS = `syntax = "proto3"; package a.b;
message M {
  double d = 1; float f = 2; int32 i = 3; int64 l = 4; uint32 u = 5; uint64 ul = 6; sint32 s = 7;
  sint64 sl = 8; fixed32 x = 9; fixed64 xl = 10; sfixed32 sx = 11; sfixed64 sxl = 12; bool b = 13;
  string t = 14; bytes y = 15;
}`;

test("numbers of 64 bits are exact, and what proto3 does not send is what it says in its place", () => {
  const most = {
    d: 1e300,
    f: 0.5,
    i: -(2 ** 31),
    l: "-9223372036854775808",
    u: 2 ** 32 - 1,
    ul: "18446744073709551615",
    s: -(2 ** 31),
    sl: "-9223372036854775808",
    x: 2 ** 32 - 1,
    xl: "18446744073709551615",
    sx: -(2 ** 31),
    sxl: "-9223372036854775808",
    b: true,
    t: "é",
    y: Buffer.of(0, 255),
  };
  expect(exactJson(read(SCALARS, protoBytes(SCALARS, "a.b.M", most)))).toBe(
    '{"d":1e+300,"f":0.5,"i":-2147483648,"l":-9223372036854775808,"u":4294967295,' +
      '"ul":18446744073709551615,"s":-2147483648,"sl":-9223372036854775808,"x":4294967295,' +
      '"xl":18446744073709551615,"sx":-2147483648,"sxl":-9223372036854775808,"b":true,"t":"é","y":"00ff"}',
  );
  expect(exactJson(read(SCALARS))).toBe(
    '{"d":0,"f":0,"i":0,"l":0,"u":0,"ul":0,"s":0,"sl":0,"x":0,"xl":0,"sx":0,"sxl":0,"b":false,"t":"","y":""}',
  );
  expect(typeOf(SCALARS)).toContain("ul: decimal(20, 0)");
});

const NESTED = `syntax = "proto3";
message M {
  optional int32 maybe = 1;
  oneof choice { string text = 2; Inner inner = 3; }
  repeated sint64 many = 4;
  repeated int32 loose = 5 [packed = false];
  map<string, int64> by_text = 6;
  map<int64, Inner> by_number = 7;
  State state = 8;
  repeated State states = 9;
  repeated Inner inners = 10;
  message Inner { int32 n = 1; repeated string words = 2; }
  enum State { option allow_alias = true; NEW = 0; PAID = 1; SETTLED = 1; }
}`;

test("what was not sent is NULL where one can tell, and lists, maps, enums and choices are whole", () => {
  expect(exactJson(read(NESTED))).toBe(
    '{"maybe":null,"text":null,"inner":null,"many":[],"loose":[],"by_text":{},"by_number":{},' +
      '"state":"NEW","states":[],"inners":[]}',
  );
  const value = {
    maybe: 0,
    many: ["-1", "9007199254740993"],
    loose: [1, 2],
    by_text: { a: "9007199254740993", "": 1 },
    by_number: { "-5": { n: 3 } },
    state: 1,
    states: [0, 1, 7],
    inners: [{ n: 1, words: ["x", ""] }, {}],
  };
  expect(exactJson(read(NESTED, protoBytes(NESTED, "M", value)))).toBe(
    '{"maybe":0,"text":null,"inner":null,"many":[-1,9007199254740993],"loose":[1,2],' +
      '"by_text":{"a":9007199254740993,"":1},"by_number":{"-5":{"n":3,"words":[]}},"state":"PAID",' +
      '"states":["NEW","PAID","7"],"inners":[{"n":1,"words":["x",""]},{"n":0,"words":[]}]}',
  );
});

test("a choice is what was sent last, a message that comes twice is both, packed and loose are one", () => {
  const first = protoBytes(NESTED, "M", { inner: { n: 4, words: ["a"] } });
  const second = protoBytes(NESTED, "M", { inner: { words: ["b"] } });
  const text = protoBytes(NESTED, "M", { text: "t" });
  expect(exactJson(read(NESTED, first, second))).toContain('"inner":{"n":4,"words":["a","b"]}');
  expect(exactJson(read(NESTED, first, text))).toContain('"text":"t","inner":null');
  expect(exactJson(read(NESTED, text, first))).toContain('"text":null,"inner":{"n":4');
  // Field 4 loose, field 5 packed: the other way round than they are declared.
  const turned = Buffer.of(32, 1, 32, 2, 42, 2, 7, 8);
  expect(exactJson(read(NESTED, turned))).toContain('"many":[-1,1],"loose":[7,8]');
});

test("fields that the schema does not have, and those of another kind, are passed over", () => {
  const unknown = Buffer.of(0xa0, 6, 1, 0xa3, 6, 8, 1, 0xa4, 6, 0xa2, 6, 1, 9, 0xa5, 6, 1, 2, 3, 4);
  // Field 1 is an int32 and stands here as bytes.
  const other = Buffer.of(10, 1, 9);
  expect(exactJson(read(NESTED, unknown, other, Buffer.of(8, 5)))).toContain('"maybe":5');
});

test("proto2: groups, required and default values, negative numbers in ten bytes", () => {
  const text = `syntax = "proto2"; message M {
    required int32 a = 1; optional int32 b = 2 [default = 7]; repeated group G = 3 { optional string w = 1; }
    optional E e = 4 [default = B]; enum E { A = -1; B = 2; } extensions 100 to 200; }`;
  const bytes = protoBytes(text, "M", { a: -1, g: [{ w: "x" }, {}], e: -1 });
  expect(exactJson(read(text, bytes))).toBe('{"a":-1,"b":null,"g":[{"w":"x"},{"w":null}],"e":"A"}');
});

test("messages with a meaning of their own are it", () => {
  const names = [
    "Timestamp",
    "Duration",
    "Int64Value",
    "StringValue",
    "BoolValue",
    "Struct",
    "Any",
  ];
  const imports = ["timestamp", "duration", "wrappers", "struct", "any"].map(
    (name) => `import "google/protobuf/${name}.proto";`,
  );
  const fields = names.map((name, index) => `google.protobuf.${name} f${index} = ${index + 1};`);
  const text = `syntax = "proto3"; ${imports.join("")} message M { ${fields.join(" ")} }`;
  expect(typeOf(text)).toBe(
    "struct<f0: timestamptz, f1: decimal(21, 9), f2: long, f3: string, f4: boolean, f5: string, " +
      "f6: struct<type_url: string, value: binary>>",
  );
  const value = {
    f0: { seconds: "-1", nanos: 999_999_000 },
    f1: { seconds: "-3", nanos: -500_000_000 },
    f2: { value: "9007199254740993" },
    f3: { value: "" },
    f4: {},
    f5: {
      fields: {
        a: { numberValue: 1.5 },
        b: { listValue: { values: [{ stringValue: "x" }, { nullValue: 0 }] } },
        c: { structValue: { fields: { d: { boolValue: false } } } },
      },
    },
  };
  expect(exactJson(read(text, protoBytes(text, "M", value)))).toBe(
    '{"f0":"1969-12-31 23:59:59.999999+00","f1":-3.500000000,"f2":9007199254740993,"f3":"","f4":false,' +
      '"f5":{"a":1.5,"b":["x",null],"c":{"d":false}},"f6":null}',
  );
});

test("a message is found by its place among the messages of the text, whatever it imports", () => {
  const other =
    'syntax = "proto3"; package p; message Other { int32 o = 1; message In { int32 i = 1; } }';
  const imports = ["other.proto", "confluent/type/decimal.proto", "confluent/meta.proto"];
  const text = `syntax = "proto3"; package p; ${imports.map((path) => `import "${path}";`).join(" ")}
    enum E { Z = 0; } message A { int32 a = 1; map<string, int32> m = 2;
      message X { int32 x = 1; } message Y { Other y = 1; } }
    message B { confluent.type.Decimal d = 1; }`;
  const compiled = compileProtobuf(text, [{ name: "other.proto", text: other }]);
  const at = (path: readonly number[], ...bytes: readonly number[]) => {
    const { reader, bytes: rest } = compiled(
      Buffer.concat([protoPath(...path), Buffer.of(...bytes)]),
    );
    return exactJson(reader.whole(rest));
  };
  expect(at([0], 8, 1)).toBe('{"a":1,"m":{}}');
  expect(at([0, 1], 10, 2, 8, 3)).toBe('{"y":{"o":3}}');
  expect(at([1], 10, 6, 10, 2, 0x30, 0x39, 24, 2)).toBe('{"d":123.45}');
  expect(() => at([2])).toThrow(EnvelopeFault);
  expect(() => at([0, 2])).toThrow("no message at 0.2");
});

test("a message that holds itself is JSON from there on", () => {
  const text = 'syntax = "proto3"; message M { int32 n = 1; M next = 2; repeated M all = 3; }';
  expect(typeOf(text)).toBe("struct<n: int, next: string, all: list<string>>");
  const value = { n: 1, next: { n: 2 }, all: [{ n: 3 }] };
  expect(exactJson(read(text, protoBytes(text, "M", value)))).toBe(
    '{"n":1,"next":{"n":2,"next":null,"all":[]},"all":[{"n":3,"next":null,"all":[]}]}',
  );
});

test("bytes that are no message are said to be none, and none of them ends the worker", () => {
  const bad: readonly (readonly number[])[] = [
    [8],
    [8, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 1],
    [26, 5, 8, 1],
    [0, 1],
    [12],
    [15],
    [0x53, 8, 1],
    [26, 255, 255, 255, 255, 15],
  ];
  for (const bytes of bad) {
    expect(() => read(NESTED, Buffer.of(...bytes))).toThrow(EnvelopeFault);
  }
  expect(() => read(NESTED, Buffer.of(18, 1, 255))).toThrow("text holds bytes that are not UTF-8");
  const self = 'syntax = "proto3"; message M { M next = 1; }';
  let deep: Buffer = Buffer.alloc(0);
  for (let depth = 0; depth < 500; depth++) {
    const length =
      deep.length < 128 ? [deep.length] : [(deep.length & 127) | 128, deep.length >> 7];
    deep = Buffer.concat([Buffer.of(10, ...length), deep]);
  }
  expect(() => read(self, deep)).toThrow("nest deeper");
  expect(() => read(NESTED, Buffer.alloc(10_000, 0x53))).toThrow("nest deeper");
});

test("a text that is no schema, or imports what is not there, is refused", () => {
  expect(() => compileProtobuf("message M {", [])).toThrow(Unreadable);
  expect(() => compileProtobuf('syntax = "proto3"; message M { Gone g = 1; }', [])).toThrow(
    Unreadable,
  );
});
