/** Laws of contract documents: what is exported is read back as it was; what is read is told again as it was read. */

import { expect, test } from "bun:test";
import fc from "fast-check";
import type { Json, JsonObject } from "../../core/base/json.ts";
import { parseJson, stringifyJson } from "../../core/base/json.ts";
import type { Cursor } from "../../core/config/shape.ts";
import { statedContract } from "../../core/contract/document.ts";
import { toJsonSchema } from "../../core/contract/json-schema.ts";
import { toOdcs } from "../../core/contract/odcs.ts";
import type { StatedContract } from "../../core/contract/stated.ts";
import type { Contract, ContractColumn } from "../../core/ingest/contract.ts";
import { EMPTY_OBJECT, NOTHING } from "../../core/table/type-text.ts";
import type { Type } from "../../core/table/types.ts";
import { anyType, plainType } from "../support/any-type.ts";

const TABLE = "bronze.orders";
const names = [TABLE, "orders"];

const word = fc.constantFrom(
  "a",
  "Ä",
  "2024",
  "7",
  "__proto__",
  "constructor",
  "a/b",
  "x~y",
  "items",
);
const text = fc.constantFrom("", "What it means.", "orders", "2024");
const value: fc.Arbitrary<Json> = fc.constantFrom(0, 1, -5, 0.01, true, "a", null, [1, null], {});

/** In the words of the standard, of which some are options and properties that keywords have as well. */
const notes: fc.Arbitrary<JsonObject> = fc.record(
  {
    description: text,
    businessName: text,
    classification: text,
    quality: fc.constant([{ metric: "nullValues", mustBe: 0 }]),
    logicalTypeOptions: fc.dictionary(
      fc.constantFrom("pattern", "minimum", "multipleOf", "format", "minLength"),
      value,
    ),
    customProperties: fc.array(
      fc.oneof(
        fc.record({ property: fc.constant("owner"), value }),
        fc.record({
          property: fc.constant("jsonSchema"),
          value: fc.dictionary(
            fc.constantFrom(
              "type",
              "format",
              "enum",
              "title",
              "required",
              "items",
              "x-tarn",
              "$ref",
            ),
            fc.oneof(
              value,
              fc.constantFrom<Json>("string", ["integer", "null"], "object", "int64"),
            ),
          ),
        }),
      ),
      { maxLength: 2 },
    ),
  },
  { requiredKeys: [] },
);

const type: fc.Arbitrary<Type> = fc.oneof(
  { weight: 6, arbitrary: anyType() },
  { weight: 1, arbitrary: fc.constantFrom(NOTHING, EMPTY_OBJECT) },
  {
    weight: 2,
    arbitrary: fc
      .tuple(plainType(), fc.constantFrom(NOTHING, EMPTY_OBJECT), fc.boolean())
      .map(
        ([key, place, isList]): Type =>
          isList
            ? { kind: "list", elementId: 0, elementRequired: false, element: place }
            : { kind: "map", keyId: 0, key, valueId: 0, valueRequired: false, value: place },
      ),
  },
);

const column: fc.Arbitrary<ContractColumn> = fc
  .record({
    name: word,
    type,
    required: fc.boolean(),
    isRenamed: fc.boolean(),
    notes: fc.option(notes.filter((said) => Object.keys(said).length > 0)),
  })
  .map(({ name, type: its, required, isRenamed, notes: said }) => ({
    name: isRenamed ? `t_${name}` : name,
    source: name,
    type: its,
    declared: true,
    unseen: its === NOTHING,
    required,
    ...(said === null ? {} : { notes: { "": said } }),
  }));

const contract: fc.Arbitrary<Contract> = fc
  .record({
    columns: fc.uniqueArray(column, { minLength: 1, maxLength: 5, selector: (one) => one.source }),
    table: notes,
    id: fc.option(text),
  })
  .map(({ columns, table, id }) => ({
    source: "orders",
    version: 1,
    columns,
    read: null,
    notes: { document: { status: "draft", ...(id === null ? {} : { id }) }, table },
  }));

function read(document: JsonObject): StatedContract {
  const cursor: Cursor = { path: [], issues: [] };
  // As it is on disk.
  const stated = statedContract(parseJson(stringifyJson(document)), { names }, cursor);
  const errors = cursor.issues.filter(({ severity }) => severity === "error");
  if (stated === undefined || errors.length > 0)
    throw new Error(errors.map(({ message }) => message).join("; "));
  return stated;
}

test("a contract is read back from JSON Schema as it was exported", () => {
  fc.assert(
    fc.property(contract, (given) => {
      const { columns, notes: said } = read(toJsonSchema(given, TABLE));
      expect({ columns, notes: said }).toEqual({
        columns: given.columns,
        notes: given.notes ?? { document: {}, table: {} },
      });
    }),
    { numRuns: 1_000 },
  );
});

test("columns are read back from the Open Data Contract Standard as they were exported", () => {
  fc.assert(
    fc.property(contract, (given) => {
      const { columns } = read(toOdcs(given, { table: TABLE, id: "1" }));
      expect(columns.map(({ notes: _, ...one }) => one)).toEqual(
        given.columns.map(({ notes: _, ...one }) => one),
      );
    }),
    { numRuns: 300 },
  );
});

const leaf = fc.record(
  {
    type: fc.constantFrom<Json>(
      "string",
      "integer",
      "number",
      "boolean",
      "null",
      ["string", "null"],
      ["integer", "string"],
      ["object", "array", "null"],
    ),
    format: fc.constantFrom("date", "date-time", "time", "uuid", "int64", "float", "email"),
    enum: fc.constantFrom<Json>(["a", null], [1, 2], ["a"], [null]),
    const: value,
    minimum: fc.constantFrom(-2147483648, 0, 1),
    maximum: fc.constantFrom(10, 2147483647, 99999.99),
    exclusiveMinimum: fc.constantFrom<Json>(true, 0),
    multipleOf: fc.constantFrom(0.01, 1, 0.25, 1e-7),
    pattern: fc.constant("^a"),
    nullable: fc.boolean(),
    description: text,
    "x-vendor": value,
  },
  { requiredKeys: [] },
);

const schema: fc.Arbitrary<JsonObject> = fc.letrec<{ schema: JsonObject; record: JsonObject }>(
  (tie) => ({
    record: fc
      .record({
        properties: fc.dictionary(word, tie("schema"), { minKeys: 1, maxKeys: 3 }),
        required: fc.uniqueArray(word, { maxLength: 3 }),
        extra: leaf,
      })
      .map(({ properties, required, extra: { description = "" } }) => ({
        type: "object",
        properties,
        required,
        description,
      })),
    schema: fc.oneof(
      { maxDepth: 3 },
      leaf,
      tie("record"),
      fc.constantFrom<JsonObject>({ $ref: "#/$defs/leaf" }, { $ref: "#/$defs/node" }),
      tie("schema").map((items) => ({ type: "array", items })),
      tie("schema").map((values) => ({ type: "object", additionalProperties: values })),
      tie("schema").map((one) => ({ anyOf: [one, { type: "null" }] })),
      fc.tuple(tie("schema"), tie("schema")).map((oneOf) => ({ oneOf })),
      fc.tuple(tie("record"), tie("record")).map((allOf) => ({ allOf, title: "T" })),
    ),
  }),
).record;

test("what is read of any JSON Schema is told again as it was read", () => {
  fc.assert(
    fc.property(schema, leaf, (record, defined) => {
      const node = { properties: { next: { $ref: "#/$defs/node" }, v: { type: "integer" } } };
      const document = { $schema: "x", ...record, $defs: { leaf: defined, node } };
      const cursor: Cursor = { path: [], issues: [] };
      const first = statedContract(document, { names }, cursor);
      if (first === undefined) {
        expect(cursor.issues.some(({ severity }) => severity === "error")).toBe(true);
        return;
      }
      const next = { ...first, source: "orders", version: 1, read: null };
      expect(read(toJsonSchema(next, TABLE))).toEqual(first);
    }),
    { numRuns: 1_000 },
  );
});
