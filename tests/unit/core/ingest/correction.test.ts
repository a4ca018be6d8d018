/** One field of a quarantined row is set; every other character stays as the file had it. */

import { expect, test } from "bun:test";
import fc from "fast-check";
import { LakeError } from "../../../../core/base/errors.ts";
import { correct } from "../../../../core/ingest/correction.ts";

test("a CSV field by its place in the header, quoted when it must be", () => {
  expect(correct("1,Ann,x", "id,name,amount", "amount=19.00")).toBe("1,Ann,19.00");
  expect(correct("1;Ann;x", "id;name;amount, net", "name=A;B")).toBe('1;"A;B";x');
  expect(correct("1\tAnn", "id\tname", 'name=say "hi"')).toBe('1\t"say ""hi"""');
  expect(correct("1,Ann,x", "id,name,amount", "amount=")).toBe("1,Ann,");
});

test("what is not set keeps its quotes, spaces and empty texts", () => {
  expect(correct('"1",  a ,"",x', "a,b,c,d", "d=4")).toBe('"1",  a ,"",4');
  expect(correct('1,"two\nlines ""q""",x', "a,b,c", "c=3")).toBe('1,"two\nlines ""q""",3');
  expect(correct("1,x", '"my ""id""",b', 'my "id"=7')).toBe("7,x");
});

test("a row with another number of fields is mended by one field only where that is no guess", () => {
  expect(correct("1,Oslo, Norway", "id,city", "city=Oslo, Norway")).toBe('1,"Oslo, Norway"');
  expect(correct("1", "id,city", "city=Oslo")).toBe("1,Oslo");
  expect(() => correct("1,2,3,4", "a,b,c", "a=9")).toThrow(LakeError);
  expect(() => correct("1", "a,b,c", "c=9")).toThrow(LakeError);
});

test("JSON: one member, no digit of another", () => {
  const raw = '{ "id": 12345678901234567890, "n":"x", "d": 1.10, "o":{"a,b":[1,{"n":"}"}]} }';
  expect(correct(raw, null, "n=2")).toBe(
    '{"id": 12345678901234567890,"n":2,"d": 1.10,"o":{"a,b":[1,{"n":"}"}]}}',
  );
  expect(correct('{"a":1}', null, "b=007")).toBe('{"a":1,"b":"007"}');
  expect(correct('{"a":1}', null, "a=1.10")).toBe('{"a":1.10}');
  expect(correct('{"a":1,"b":2,"a":3}', null, "a=4")).toBe('{"a":4,"b":2}');
  expect(correct("{}", null, "a=x")).toBe('{"a":"x"}');
});

test("any object: the member is set, the others are as they were", () => {
  const value = fc.dictionary(fc.string(), fc.jsonValue());
  fc.assert(
    fc.property(value, fc.constantFrom("k", "a b", 'q"'), fc.string(), (row, key, text) => {
      const wanted = JSON.parse(JSON.stringify(text));
      const done = JSON.parse(correct(JSON.stringify(row), null, `${key}=${JSON.stringify(text)}`));
      expect(done).toEqual({ ...JSON.parse(JSON.stringify(row)), [key]: wanted });
    }),
  );
});

test("what cannot be set says why", () => {
  expect(() => correct("1,2", "a,b", "nothing")).toThrow("column=value");
  expect(() => correct("1,2", "amount,b", "amuont=1")).toThrow('no column "amuont"');
  expect(() => correct("not json", null, "a=1")).toThrow("not JSON");
  expect(() => correct("[1]", null, "a=1")).toThrow("no JSON object");
});
