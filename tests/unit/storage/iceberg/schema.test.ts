/** Schemas and types: spelling, fresh ids, lookups. */

import { describe, expect, test } from "bun:test";
import { freshSchema } from "../../../../core/table/evolution.ts";
import type { Type } from "../../../../core/table/types.ts";
import {
  checkSchema,
  findColumn,
  highestId,
  parseSchema,
  parseType,
  refuseDefaults,
  sameSchema,
  sameType,
  schemaText,
  schemaToJson,
  typeToJson,
} from "../../../../storage/iceberg/schema.ts";
import { primitive } from "./memory-files.ts";

const NESTED: Type = {
  kind: "list",
  elementId: 0,
  elementRequired: false,
  element: {
    kind: "struct",
    fields: [
      { id: 0, name: "a", required: false, type: primitive("int") },
      {
        id: 0,
        name: "m",
        required: false,
        type: {
          kind: "map",
          keyId: 0,
          key: primitive("string"),
          valueId: 0,
          valueRequired: false,
          value: primitive("double"),
        },
      },
    ],
  },
};

describe("types", () => {
  test("are spelled as Java spells them", () => {
    expect(typeToJson({ kind: "decimal", precision: 9, scale: 2 })).toBe("decimal(9, 2)");
    expect(typeToJson({ kind: "fixed", length: 16 })).toBe("fixed[16]");
    expect(parseType("decimal(9,2)")).toEqual({ kind: "decimal", precision: 9, scale: 2 });
    expect(sameType(parseType(typeToJson(NESTED)), NESTED)).toBe(true);
  });

  test("of later formats are unsupported, nonsense is corrupt", () => {
    expect(() => parseType("timestamp_ns")).toThrow("timestamp_ns is not known here");
    expect(() => parseType({ type: "set" })).toThrow("not an Iceberg type");
    expect(() => parseType("decimal(39, 2)")).toThrow(/precision/);
  });
});

describe("ids", () => {
  const columns = [
    { name: "x", type: primitive("long") },
    { name: "l", type: NESTED },
    { name: "y", type: primitive("string") },
  ];
  const schema = freshSchema(columns, new Set());
  const { fields } = schema;

  test("are fresh: a level first, then what is below it", () => {
    expect(fields.map((field) => field.id)).toEqual([1, 2, 3]);
    expect(highestId(schema)).toBe(8);
    expect(findColumn(schema, 5)).toMatchObject({ path: "l.element.a" });
    expect(findColumn(schema, 8)).toMatchObject({ path: "l.element.m.value", repeated: true });
    expect(findColumn(schema, 99)).toBeNull();
  });

  test("are checked before they are recorded", () => {
    expect(() => checkSchema(schema)).not.toThrow();
    const twice = { schemaId: 0, fields: fields.map((field) => ({ ...field, id: 1 })) };
    expect(() => checkSchema(twice)).toThrow("column l has no id of its own: 1");
  });

  test("equality leaves the schema id out", () => {
    expect(sameSchema(schema, { ...schema, schemaId: 7 })).toBe(true);
    expect(sameSchema(schema, { ...schema, fields: fields.slice(1) })).toBe(false);
    expect(sameSchema(parseSchema(schemaToJson(schema)), schema)).toBe(true);
  });
});

test("unknown attributes of a schema stay with it", () => {
  const json = {
    type: "struct",
    "schema-id": 3,
    fields: [{ id: 1, name: "a", required: false, type: "int", "write-default": 5 }],
  };
  expect(JSON.parse(schemaText(parseSchema(json)))).toEqual(json);
});

test("a column with an initial default is kept, and refused where it would be read as null", () => {
  const json = {
    fields: [{ id: 1, name: "a", required: false, type: "int", "initial-default": 5 }],
  };
  const schema = parseSchema(json);
  expect(JSON.parse(schemaText({ ...schema })).fields).toEqual(json.fields);
  expect(
    sameSchema(schema, parseSchema({ fields: [{ ...json.fields[0], "initial-default": 6 }] })),
  ).toBe(false);
  expect(() => refuseDefaults(schema)).toThrow("column a has a default value");
});
