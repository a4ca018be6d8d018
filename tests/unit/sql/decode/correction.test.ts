/** Fields of a quarantined row are set; every other character stays as the file had it. */

import { expect, test } from "bun:test";
import fc from "fast-check";
import { LakeError } from "../../../../core/base/errors.ts";
import { correct, type RowForm, Unset, valuesOf } from "../../../../sql/decode/correction.ts";
import { parseAssignments } from "../../../../sql/decode/set-fields.ts";

const JSON_FORM: RowForm = { kind: "json" };

function csv(header: string, delimiter = ","): RowForm {
  const names = header.split(delimiter);
  const shape = { delimiter, quote: '"', columns: names.length, hasHeader: true };
  return { kind: "csv", shape, names };
}

function set(raw: string, form: RowForm, column: string, text: string | null): string {
  return correct(raw, form, [{ column, text, json: JSON.stringify(text) }]);
}

test("a CSV field by its place in the header, quoted when it must be", () => {
  expect(set("1,Ann,x", csv("id,name,amount"), "amount", "19.00")).toBe("1,Ann,19.00");
  expect(set("1;Ann;x", csv("id;name;amount, net", ";"), "name", "A;B")).toBe('1;"A;B";x');
  expect(set("1\tAnn", csv("id\tname", "\t"), "name", 'say "hi"')).toBe('1\t"say ""hi"""');
  expect(set("1,Ann,x", csv("id,name,amount"), "amount", null)).toBe("1,Ann,");
  expect(set("1,Ann,x", csv("id,name,amount"), "amount", "")).toBe('1,Ann,""');
  expect(set("1,Ann,x", csv("id,name,amount"), "NAME", "Bo")).toBe("1,Bo,x");
});

test("what is not set keeps its quotes, spaces and empty texts", () => {
  expect(set('"1",  a ,"",x', csv("a,b,c,d"), "d", "4")).toBe('"1",  a ,"",4');
  expect(set('1,"two\nlines ""q""",x', csv("a,b,c"), "c", "3")).toBe('1,"two\nlines ""q""",3');
});

test("a row with another number of fields is mended by one field only where that is no guess", () => {
  expect(set("1,Oslo, Norway", csv("id,city"), "city", "Oslo, Norway")).toBe('1,"Oslo, Norway"');
  expect(set("1", csv("id,city"), "city", "Oslo")).toBe("1,Oslo");
  expect(() => set("1,2,3,4", csv("a,b,c"), "a", "9")).toThrow(Unset);
  expect(() => set("1", csv("a,b,c"), "c", "9")).toThrow(Unset);
});

test("JSON: one member, no digit of another", () => {
  const raw = '{ "id": 12345678901234567890, "n":"x", "d": 1.10, "o":{"a,b":[1,{"n":"}"}]} }';
  expect(correct(raw, JSON_FORM, [{ column: "n", text: "2", json: "2" }])).toBe(
    '{"id": 12345678901234567890,"n":2,"d": 1.10,"o":{"a,b":[1,{"n":"}"}]}}',
  );
  expect(set('{"a":1}', JSON_FORM, "b", "007")).toBe('{"a":1,"b":"007"}');
  expect(set('{"a":1,"b":2,"a":3}', JSON_FORM, "a", "4")).toBe('{"a":"4","b":2}');
  expect(set("{}", JSON_FORM, "a", null)).toBe('{"a":null}');
});

test("any object: the member is set, the others are as they were", () => {
  const value = fc.dictionary(fc.string(), fc.jsonValue());
  fc.assert(
    fc.property(value, fc.constantFrom("k", "a b", 'q"'), fc.string(), (row, key, text) => {
      const done = JSON.parse(set(JSON.stringify(row), JSON_FORM, key, text));
      expect(done).toEqual({ ...JSON.parse(JSON.stringify(row)), [key]: text });
    }),
  );
});

test("what cannot be set says why", () => {
  expect(() => set("1,2", csv("amount,b"), "amuont", "1")).toThrow('no column "amuont"');
  expect(() => set("not json", JSON_FORM, "a", "1")).toThrow("not JSON");
  expect(() => set("[1]", JSON_FORM, "a", "1")).toThrow("no JSON object");
});

test("values are texts; an empty field without quotes is none", () => {
  expect([...valuesOf('1,,""', csv("a,b,c"), [])]).toEqual([
    ["a", "1"],
    ["b", null],
    ["c", ""],
  ]);
  expect([...valuesOf('{"a":1.10,"b":"x","c":null,"d":[1]}', JSON_FORM, [])]).toEqual([
    ["a", "1.10"],
    ["b", "x"],
    ["c", null],
    ["d", "[1]"],
  ]);
});

test("assignments are those of SQL, and a date without quotes is refused", () => {
  expect(parseAssignments(`amount = replace(amount, ',', '.'), "Net" = 19.00`)).toEqual([
    { column: "amount", expression: "replace(amount, ',', '.')", isNumber: false },
    { column: "Net", expression: "19.00", isNumber: true },
  ]);
  for (const wrong of ["amount", "amount=", "= 1", "a = 1,", "day=2026-11-20", "a = 1/2/3"]) {
    expect(() => parseAssignments(wrong)).toThrow(LakeError);
  }
});
