/** JSON Schema as it is found in the wild: which type each convention becomes, what is warned of, what is refused. */

import { expect, test } from "bun:test";
import type { Cursor } from "../../../../core/config/shape.ts";
import { statedContract } from "../../../../core/contract/document.ts";
import { typeToText } from "../../../../core/table/type-text.ts";

const TYPES: Readonly<Record<string, readonly [schema: unknown, type: string]>> = {
  "an integer without a range is a long": [{ type: "integer" }, "long"],
  "a range of 32 bits is an int": [{ type: "integer", minimum: 0, maximum: 150 }, "int"],
  "one bound is no range": [{ type: "integer", minimum: 0 }, "long"],
  "a bound of draft 04 that is exclusive": [
    { type: "integer", minimum: 0, exclusiveMinimum: true, maximum: 9, exclusiveMaximum: true },
    "int",
  ],
  "a range beyond 64 bits is a decimal": [
    { type: "integer", minimum: 0, maximum: 18446744073709551615n },
    "decimal(38, 0)",
  ],
  "int64 as a text, as Protocol Buffers write it": [{ type: "string", format: "int64" }, "long"],
  "uint64 as a text": [{ type: "string", format: "uint64" }, "decimal(20, 0)"],
  "int32 of OpenAPI": [{ type: "integer", format: "int32" }, "int"],
  "a number is a double": [{ type: "number" }, "double"],
  "a float of OpenAPI": [{ type: "number", format: "float" }, "float"],
  "a multiple of a cent": [{ type: "number", multipleOf: 0.01 }, "decimal(38, 2)"],
  "a multiple of a cent within bounds": [
    { type: "number", multipleOf: 0.01, minimum: -999.99, maximum: 99999.99 },
    "decimal(7, 2)",
  ],
  "a multiple with an exponent": [{ type: "number", multipleOf: 1e-7 }, "decimal(38, 7)"],
  "a number that is a multiple of one": [{ type: "number", multipleOf: 1 }, "long"],
  "an integer that may be a number": [{ type: ["integer", "number"] }, "double"],
  "an exact type": [{ type: "number", "x-tarn": { type: "decimal(10,2)" } }, "decimal(10, 2)"],
  "a date": [{ type: "string", format: "date" }, "date"],
  "a moment": [{ type: "string", format: "date-time" }, "timestamptz"],
  "a moment without a zone": [{ type: "string", format: "date-time-local" }, "timestamp"],
  "a time": [{ type: "string", format: "time" }, "time"],
  "a uuid": [{ type: "string", format: "uuid" }, "uuid"],
  "another format is a text": [{ type: "string", format: "email" }, "string"],
  "words without a type": [{ enum: ["a", "b"] }, "string"],
  "a constant": [{ const: 5 }, "long"],
  "null beside": [{ type: ["null", "boolean"] }, "boolean"],
  "null as a branch": [{ anyOf: [{ $ref: "#/$defs/money" }, { type: "null" }] }, "decimal(38, 2)"],
  "nullable of OpenAPI": [{ type: "integer", nullable: true }, "long"],
  "a reference with a pointer that is escaped": [{ $ref: "#/$defs/a~1b%20c" }, "date"],
  "a reference to an anchor": [{ $ref: "#when" }, "timestamptz"],
  "a reference to an id": [{ $ref: "https://shop.example/day" }, "date"],
  "a reference to the document by its id": [
    { $ref: "https://shop.example/order#/$defs/money" },
    "decimal(38, 2)",
  ],
  "parts together": [
    {
      allOf: [
        { properties: { a: { type: "number" } } },
        { properties: { a: { type: "integer" }, b: { type: "string" } }, type: "object" },
      ],
    },
    "struct<a: long, b: string>",
  ],
  "branches are one struct": [
    {
      oneOf: [
        { type: "object", properties: { kind: { const: "card" }, no: { type: "string" } } },
        { type: "object", properties: { kind: { const: "cash" }, till: { type: "integer" } } },
      ],
    },
    "struct<kind: string, no: string, till: long>",
  ],
  "keys that are free are a map": [
    { type: "object", additionalProperties: { type: "integer" } },
    "map<string, long>",
  ],
  "keys by a pattern are a map": [
    { patternProperties: { "^x": { type: "boolean" } }, additionalProperties: false },
    "map<string, boolean>",
  ],
  "a list": [{ type: "array", items: { format: "date", type: "string" } }, "list<date>"],
  "a tuple of draft 07": [
    { type: "array", items: [{ type: "integer" }, { type: "number" }] },
    "list<double>",
  ],
  "a tuple of 2020-12": [
    { type: "array", prefixItems: [{ type: "integer" }, { type: "string" }], items: false },
    "list<string>",
  ],
  "a list of anything": [{ type: "array" }, "list<string>"],
  "an object of anything": [{ type: "object" }, "string"],
  anything: [true, "string"],
  "what holds itself": [{ $ref: "#/$defs/node" }, "struct<children: list<string>>"],
};

for (const [name, [schema, type]] of Object.entries(TYPES)) {
  test(`${name}: ${type}`, () => {
    const { columns } = read(schema);
    expect(columns.map((column) => typeToText(column.type))).toEqual([type]);
  });
}

const WARNINGS: readonly (readonly [schema: unknown, warning: string])[] = [
  [{ type: "string", pattern: "^a" }, '"pattern" is kept, and not checked: it'],
  [{ type: "integer", minimum: 0 }, '"minimum" is kept, and not checked: it'],
  [{ type: "integer", not: { const: 3 } }, '"not" is not kept, nor checked: it'],
  [{ type: "object" }, "anything may come, and lands as the text of its JSON: it"],
  [{ type: "null" }, "nothing but null may come, and the column is a text: it"],
  [{ type: ["string", "integer"] }, "values of several types may come, and land as text: it"],
  [
    { $ref: "#/$defs/node" },
    "a type that holds itself lands as the text of its JSON: it.children[]",
  ],
  [
    { type: "object", properties: { a: { type: "string" } }, required: ["a"] },
    "what is required in structs is kept, and not checked: it.a",
  ],
];

for (const [schema, warning] of WARNINGS) {
  test(`warned of: ${warning}`, () => {
    expect(read(schema).issues.map(({ message }) => message)).toEqual([warning]);
  });
}

test("bounds that the type holds by itself are not warned of", () => {
  const schema = { type: "integer", minimum: -2147483648, maximum: 2147483647 };
  expect(read(schema).issues).toEqual([]);
});

const REFUSED: Readonly<Record<string, readonly [schema: unknown, message: string]>> = {
  "a type that is none": [{ type: "int" }, 'there is no type "int"'],
  "another document": [{ $ref: "money.json" }, '"money.json" is in another document'],
  "a reference to nothing": [{ $ref: "#/$defs/no" }, '"#/$defs/no" is not in the document'],
  "no value": [false, "no value may come here"],
  "a dynamic reference": [{ $dynamicRef: "#m" }, "$dynamicRef is not followed"],
  "an exact type that is none": [
    { "x-tarn": { type: "decimal(99)" } },
    "decimal(99,0): precision is 1 to 38, scale at most the precision",
  ],
  "required as of draft 03": [
    { properties: { a: {} }, required: true },
    "expected a list of names",
  ],
};

for (const [name, [schema, message]] of Object.entries(REFUSED)) {
  test(`refused: ${name}`, () => {
    expect(read(schema).issues.map((issue) => issue.message)).toEqual([message]);
  });
}

test("references that double are counted", () => {
  const doubled = Array.from({ length: 40 }, (_, index) => {
    const inner = { $ref: `#/$defs/d${index + 1}` };
    return [`d${index}`, { properties: { a: inner, b: inner } }];
  });
  const $defs = { ...Object.fromEntries(doubled), d40: { type: "string" } };
  const { issues } = readDocument({ $defs, properties: { it: { $ref: "#/$defs/d0" } } });
  expect(issues.map(({ message }) => message)).toEqual([
    "more than 20000 schemas are in one another",
  ]);
});

test("a record is found in a list, behind a reference, and by its name among definitions", () => {
  const record = { type: "object", properties: { it: { type: "string" } } };
  const other = { type: "object", properties: { no: { type: "string" } } };
  const documents = [
    { type: "array", items: { $ref: "#/definitions/Order" }, definitions: { Order: record } },
    { $ref: "#/definitions/Order", definitions: { Order: record, Other: other } },
    { $schema: "x", $defs: { Other: other, Orders: record } },
  ];
  expect(documents.map((one) => readDocument(one).columns.map(({ name }) => name))).toEqual(
    documents.map(() => ["it"]),
  );
});

test("what is required and may be null is not required", () => {
  const properties = { a: { type: "string" }, b: { type: ["string", "null"] }, c: {} };
  const { columns } = readDocument({ properties, required: ["a", "b", "c"] });
  expect(columns.map(({ required }) => required)).toEqual([true, false, false]);
});

function read(schema: unknown) {
  return readDocument({ type: "object", properties: { it: schema } });
}

function readDocument(record: Readonly<Record<string, unknown>>) {
  const document = {
    $id: "https://shop.example/order",
    ...record,
    $defs: {
      money: { type: "number", multipleOf: 0.01 },
      "a/b c": { type: "string", format: "date" },
      when: { $anchor: "when", type: "string", format: "date-time" },
      day: { $id: "https://shop.example/day", type: "string", format: "date" },
      node: {
        type: "object",
        properties: { children: { type: "array", items: { $ref: "#/$defs/node" } } },
      },
      ...(record.$defs as object | undefined),
    },
  };
  const cursor: Cursor = { path: [], issues: [] };
  const stated = statedContract(document, { names: ["orders"] }, cursor);
  return { columns: stated?.columns ?? [], issues: cursor.issues };
}
