/** What a contract learns from files, and what it never unlearns. */

import { expect, test } from "bun:test";
import fc from "fast-check";
import { defaultSource } from "../../../../core/config/default-source.ts";
import type { Contract } from "../../../../core/ingest/contract.ts";
import {
  contractDiffers,
  declaredContract,
  learn,
  refuseDrift,
  widen,
  withoutDeclared,
} from "../../../../core/ingest/contract-rules.ts";
import { sameType, typeToText } from "../../../../core/table/type-text.ts";
import type { Type } from "../../../../core/table/types.ts";
import { plainType, primitive } from "../../../support/any-type.ts";

const LONG = primitive("long");
const TEXT = primitive("string");

function file(name: string, types: Readonly<Record<string, Type | null>>) {
  const columns = Object.entries(types).map(([column, type]) => ({
    name: column,
    type: type ?? TEXT,
    unseen: type === null,
  }));
  return { file: name, columns };
}

function columnsOf(contract: Contract): readonly string[] {
  return contract.columns.map(
    (column) =>
      `${column.name}<${column.source}> ${typeToText(column.type)}${column.unseen ? "?" : ""}`,
  );
}

test("the first files make version 1; what they disagree on is widened, and columns of their own are told", () => {
  const { contract, drift } = learn("s", null, [
    file("a", { id: LONG }),
    file("b", { id: TEXT, x: LONG }),
  ]);
  expect(contract.version).toBe(1);
  expect(columnsOf(contract)).toEqual(["id<id> string", "x<x> long"]);
  expect(drift.map((event) => `${event.change} ${event.column} ${event.file}`)).toEqual([
    "added x b",
  ]);
});

test("a new column and a wider type are one new version and two events", () => {
  const first = learn("s", null, [file("a", { id: LONG })]).contract;
  const second = learn("s", first, [file("b", { id: TEXT, x: LONG }), file("c", { x: LONG })]);
  expect(second.contract.version).toBe(2);
  expect(second.drift.map((event) => `${event.change} ${event.column} ${event.file}`)).toEqual([
    "widened id b",
    "added x b",
  ]);
  expect(learn("s", second.contract, [file("d", { id: LONG })]).contract).toEqual(second.contract);
});

test("a placeholder takes the first type that comes, and says so", () => {
  const first = learn("s", null, [file("a", { id: null })]).contract;
  expect(columnsOf(first)).toEqual(["id<id> string?"]);
  const second = learn("s", first, [file("b", { id: LONG })]);
  expect(columnsOf(second.contract)).toEqual(["id<id> long"]);
  expect([...second.filled.keys()]).toEqual(["id"]);
  expect(second.contract.version).toBe(2);
  expect(learn("s", first, [file("b", { id: null })]).contract.version).toBe(1);
});

test("names that differ in case only are one column from file to file, and two within one file", () => {
  const first = learn("s", null, [file("a", { Id: LONG })]).contract;
  expect(learn("s", first, [file("b", { ID: LONG })]).contract).toEqual(first);
  const two = learn("s", null, [file("a", { id: LONG, ID: TEXT })]);
  expect(columnsOf(two.contract)).toEqual(["id<id> long", "ID_2<ID> string"]);
});

test("columns that are called like the lake's own land under another name", () => {
  const { contract } = learn("s", null, [
    file("a", { _file: TEXT, _Batch: LONG, source_file: LONG }),
  ]);
  expect(columnsOf(contract)).toEqual([
    "source_file<_file> string",
    "source_Batch<_Batch> long",
    "source_file_2<source_file> long",
  ]);
});

test("declared columns never change, and stop being declared without losing their type", () => {
  const source = {
    ...defaultSource("s", "drops/s/**"),
    declared: [{ name: "id", type: LONG }],
    required: ["id"],
  };
  const declared = declaredContract(source);
  expect(declaredContract(defaultSource("s", "drops/s/**"))).toBeNull();
  if (declared === null) throw new Error("declared columns make a contract");
  expect(learn("s", declared, [file("a", { id: TEXT })]).contract.version).toBe(1);
  expect(contractDiffers(declared, declared)).toBe(false);
  expect(contractDiffers(declared, { ...declared, columns: [] })).toBe(true);
  const free = withoutDeclared(declared);
  expect(free.version).toBe(2);
  expect(columnsOf(free)).toEqual(["id<id> long"]);
  expect(columnsOf(learn("s", free, [file("a", { id: TEXT })]).contract)).toEqual([
    "id<id> string",
  ]);
  expect(withoutDeclared(free)).toBe(free);
});

test("a column whose rows fit no wider type becomes text", () => {
  const first = learn("s", null, [file("a", { n: LONG, m: LONG })]).contract;
  const seen = [file("b", { n: primitive("double"), m: primitive("double") })];
  const { contract, drift } = learn("s", first, seen, new Set(["n"]));
  expect(columnsOf(contract)).toEqual(["n<n> string", "m<m> double"]);
  expect(drift.map((event) => event.to)).toEqual(["string", "double"]);
});

test("the refusal of schema: fail names file, column and type", () => {
  const error = refuseDrift("s", file("b.csv", { x: LONG }));
  expect(error.message).toContain("b.csv");
  expect(error.hint).toContain("x (long)");
});

test("no sequence of files narrows a column or forgets one", () => {
  const files = fc.array(fc.dictionary(fc.constantFrom("a", "b", "c"), plainType()), {
    maxLength: 6,
  });
  fc.assert(
    fc.property(files, (all) => {
      let contract: Contract | null = null;
      for (const [index, types] of all.entries()) {
        const before: Contract | null = contract;
        contract = learn("s", before, [file(`${index}`, types)]).contract;
        for (const column of before?.columns ?? []) {
          const now = contract.columns.find((candidate) => candidate.source === column.source);
          expect(now?.name).toBe(column.name);
          if (now !== undefined)
            expect(sameType(widen(now.type, column.type), now.type)).toBe(true);
        }
        for (const name of Object.keys(types)) {
          expect(contract.columns.filter((column) => column.source === name).length).toBe(1);
        }
      }
    }),
  );
});
