/** Laws of schema evolution: ids are never used again, what is there stays readable, promotion keeps an id. */

import { expect, test } from "bun:test";
import fc from "fast-check";
import { evolveSchema, freshSchema, highestId } from "../../../../core/table/evolution.ts";
import { isPromotion, NOTHING, sameType, typeToText } from "../../../../core/table/type-text.ts";
import type { Column, Field, Schema, Type } from "../../../../core/table/types.ts";
import { anyType, primitive } from "../../../support/any-type.ts";

const NONE: ReadonlySet<string> = new Set();
const KEEP = { missing: "keep", last: NONE } as const;

const columns = fc
  .uniqueArray(fc.record({ name: fc.constantFrom("a", "b", "c", "d"), type: anyType() }), {
    selector: (column) => column.name,
    maxLength: 4,
  })
  .map((list): Column[] => list);

test("any chain of changes uses each id for one field, ever", () => {
  fc.assert(
    fc.property(fc.array(columns, { minLength: 1, maxLength: 5 }), ([first = [], ...later]) => {
      let schema = freshSchema(first, NONE);
      let last = highestId(schema);
      const nameById = new Map(idsOf(schema));
      for (const wanted of later) {
        const next = evolveSchema(schema, last, wanted, KEEP);
        expect(next.lastColumnId).toBeGreaterThanOrEqual(highestId(next.schema));
        expect(new Set(allIds(next.schema)).size).toBe(allIds(next.schema).length);
        for (const [id, name] of idsOf(next.schema)) {
          const before = nameById.get(id);
          if (id <= last) expect(before).toBe(name);
          else expect(before).toBeUndefined();
          nameById.set(id, name);
        }
        schema = next.schema;
        last = next.lastColumnId;
      }
    }),
  );
});

test("a field that keeps its id has the same type, a promoted one, or one grown inside", () => {
  fc.assert(
    fc.property(columns, columns, (before, after) => {
      const schema = freshSchema(before, NONE);
      const next = evolveSchema(schema, highestId(schema), after, KEEP);
      for (const field of schema.fields) {
        const now = next.schema.fields.find((candidate) => candidate.name === field.name);
        if (now?.id === field.id) expect(readable(field.type, now.type)).toBe(true);
        else expect(next.retyped.some((one) => one.name === field.name)).toBe(true);
      }
      for (const column of after) {
        expect(next.schema.fields.filter((field) => field.name === column.name).length).toBe(1);
      }
    }),
  );
});

test("asking for what is there changes nothing", () => {
  fc.assert(
    fc.property(columns, (wanted) => {
      const schema = freshSchema(wanted, NONE);
      const next = evolveSchema(schema, highestId(schema), wanted, KEEP);
      expect(next.changes).toEqual([]);
      expect(next.schema).toEqual(schema);
    }),
  );
});

test("what was asked for once is there, and asking again changes nothing", () => {
  fc.assert(
    fc.property(columns, columns, (before, after) => {
      const schema = freshSchema(before, NONE);
      const once = evolveSchema(schema, highestId(schema), after, KEEP);
      const twice = evolveSchema(once.schema, once.lastColumnId, after, KEEP);
      expect(twice.changes).toEqual([]);
    }),
  );
});

test("fresh ids: top-level columns first, then what is inside them", () => {
  const user = structOf({ name: primitive("string"), tags: listOf(primitive("string")) });
  const schema = freshSchema([column("id", "long"), { name: "user", type: user }], new Set(["id"]));
  expect(schema.fields.map((field) => [field.id, field.required])).toEqual([
    [1, true],
    [2, false],
  ]);
  expect(allIds(schema)).toEqual([1, 2, 3, 4, 5]);
});

test("a long that becomes text is another column under the name; a promoted int is the same", () => {
  const schema = freshSchema([column("a", "long"), column("b", "int")], NONE);
  const next = evolveSchema(schema, 2, [column("a", "string"), column("b", "long")], KEEP);
  expect(next.schema.fields.map((field) => [field.id, typeToText(field.type)])).toEqual([
    [3, "string"],
    [2, "long"],
  ]);
  expect(next.changes.map((change) => change.kind)).toEqual(["retyped", "promoted"]);
  expect(next.retyped.map((one) => [one.from.id, one.to.id])).toEqual([[1, 3]]);
});

test("a placeholder without values takes a type for free", () => {
  const schema = freshSchema([column("a", "string")], NONE);
  const options = { ...KEEP, filled: new Map([["a", NOTHING]]) };
  const next = evolveSchema(schema, 1, [column("a", "long")], options);
  expect(next.retyped).toEqual([]);
  expect(next.schema.fields[0]?.id).toBe(2);
});

test("a struct with its parts in another order, or fewer of them, is no change", () => {
  const whole = structOf({ a: primitive("long"), b: primitive("string") });
  const schema = freshSchema([{ name: "s", type: whole }], NONE);
  for (const parts of [
    { b: primitive("string"), a: primitive("long") },
    { a: primitive("long") },
  ]) {
    const next = evolveSchema(schema, 3, [{ name: "s", type: structOf(parts) }], KEEP);
    expect(next.changes).toEqual([]);
    expect(next.schema).toEqual(schema);
  }
});

test("required is given up when the column no longer comes, or is no longer required; never taken up", () => {
  const schema = freshSchema([column("id", "long"), column("x", "long")], new Set(["id"]));
  const gone = evolveSchema(schema, 2, [column("x", "long")], KEEP);
  expect(gone.schema.fields.map((field) => field.required)).toEqual([false, false]);
  expect(gone.changes.map((change) => change.kind)).toEqual(["relaxed"]);
  const both = [column("id", "long"), column("x", "long")];
  const given = evolveSchema(schema, 2, both, { ...KEEP, required: new Set(["x"]) });
  expect(given.schema.fields.map((field) => field.required)).toEqual([false, false]);
  expect(evolveSchema(schema, 2, both, KEEP).changes).toEqual([]);
});

test("models drop what their query no longer has; system columns stay at the end", () => {
  const schema = freshSchema(
    [column("a", "long"), column("b", "long"), column("_z", "long")],
    NONE,
  );
  const options = { missing: "drop", last: new Set(["_z"]) } as const;
  const next = evolveSchema(
    schema,
    3,
    [column("b", "long"), column("c", "long"), column("_z", "long")],
    options,
  );
  expect(next.schema.fields.map((field) => field.name)).toEqual(["b", "c", "_z"]);
  expect(next.schema.fields.map((field) => field.id)).toEqual([2, 4, 3]);
});

test("names that look like types do not make types equal", () => {
  const tricky = structOf({ "a: long, b": primitive("long") });
  const plain = structOf({ a: primitive("long"), b: primitive("long") });
  expect(typeToText(tricky)).toBe(typeToText(plain));
  expect(sameType(tricky, plain)).toBe(false);
});

function column(name: string, type: "int" | "long" | "string"): Column {
  return { name, type: primitive(type) };
}

function structOf(types: Readonly<Record<string, Type>>): Type {
  const fields = Object.entries(types).map(([name, type]) => ({
    id: 0,
    name,
    required: false,
    type,
  }));
  return { kind: "struct", fields };
}

function listOf(element: Type): Type {
  return { kind: "list", elementId: 0, elementRequired: false, element };
}

/** A reader of the new type finds every value of the old one by its ids. */
function readable(from: Type, to: Type): boolean {
  if (sameType(from, to) || isPromotion(from, to)) return true;
  if (from.kind === "list" && to.kind === "list") {
    return from.elementId === to.elementId && readable(from.element, to.element);
  }
  if (from.kind === "map" && to.kind === "map") {
    return (
      from.valueId === to.valueId && sameType(from.key, to.key) && readable(from.value, to.value)
    );
  }
  if (from.kind !== "struct" || to.kind !== "struct") return false;
  return from.fields.every((field) => {
    const now = to.fields.find((candidate) => candidate.name === field.name);
    return now !== undefined && now.id === field.id && readable(field.type, now.type);
  });
}

function idsOf(schema: Schema): [number, string][] {
  const found: [number, string][] = [];
  const visitType = (type: Type, path: string): void => {
    if (type.kind === "struct") for (const field of type.fields) visit(field, path);
    if (type.kind === "list") {
      found.push([type.elementId, `${path}[]`]);
      visitType(type.element, `${path}[]`);
    }
    if (type.kind === "map") {
      found.push([type.keyId, `${path}{k}`], [type.valueId, `${path}{v}`]);
      visitType(type.key, `${path}{k}`);
      visitType(type.value, `${path}{v}`);
    }
  };
  const visit = (field: Field, path: string): void => {
    found.push([field.id, `${path}.${field.name}`]);
    visitType(field.type, `${path}.${field.name}`);
  };
  for (const field of schema.fields) visit(field, "");
  return found;
}

function allIds(schema: Schema): number[] {
  return idsOf(schema)
    .map(([id]) => id)
    .sort((a, b) => a - b);
}
