/** Which contracts may follow others. */

import { expect, test } from "bun:test";
import { parseTypeText } from "../../../../core/config/type-text.ts";
import { incompatibilities } from "../../../../core/contract/compatibility.ts";
import type { Compatibility } from "../../../../core/contract/modes.ts";
import type { Contract } from "../../../../core/ingest/contract.ts";
import { NOTHING } from "../../../../core/table/type-text.ts";

/** `columns` by name: a type as in tarn.yaml; empty for what has no value yet. */
function contract(version: number, columns: Readonly<Record<string, string>>): Contract {
  return {
    source: "orders",
    version,
    read: null,
    columns: Object.entries(columns).map(([name, text]) => {
      const parsed = text === "" ? null : parseTypeText(text);
      if (parsed?.kind === "invalid") throw new Error(parsed.reason);
      const type = parsed?.type ?? NOTHING;
      const required = parsed?.required ?? false;
      return { name, source: name, type, required, declared: true, unseen: text === "" };
    }),
  };
}

function answers(mode: Compatibility, ...versions: readonly Readonly<Record<string, string>>[]) {
  const all = versions.map((columns, index) => contract(index + 1, columns));
  const next = all.pop();
  if (next === undefined) throw new Error("no version");
  return incompatibilities(next, all, mode).map(
    ({ direction, version, rule, column, read, written }) =>
      `${direction} v${version} ${rule} ${column} ${read} ${written}`,
  );
}

test("an optional column may come and go in every mode", () => {
  expect(answers("full_transitive", { a: "int" }, { a: "int", b: "int" }, { a: "int" })).toEqual(
    [],
  );
});

test("a required column may come for old readers, and go for new ones", () => {
  expect(answers("backward", { a: "int" }, { a: "int", b: "int not null" })).toEqual([
    "backward v1 missing b int null",
  ]);
  expect(answers("forward", { a: "int" }, { a: "int", b: "int not null" })).toEqual([]);
  expect(answers("forward", { a: "int", b: "int not null" }, { a: "int" })).toEqual([
    "forward v1 missing b int null",
  ]);
});

test("a wider type may come for new readers alone, and both types are named", () => {
  const change = [{ a: "decimal(10,2)" }, { a: "decimal(12,2)" }] as const;
  expect(answers("backward", ...change)).toEqual([]);
  expect(answers("full", ...change)).toEqual(["forward v1 type a decimal(10, 2) decimal(12, 2)"]);
});

test("what may be null does not become required for new readers", () => {
  expect(answers("backward", { a: "int" }, { a: "int not null" })).toEqual([
    "backward v1 null a int int",
  ]);
});

test("fields in lists and maps are held against each other", () => {
  const before = { lines: "struct(sku varchar, n int)[]", tags: "map(varchar, int)" };
  const after = { lines: "struct(sku varchar, n varchar)[]", tags: "map(varchar, bigint)" };
  expect(answers("full", before, after)).toEqual([
    "backward v1 type lines[].n string int",
    "forward v1 type lines[].n int string",
    "forward v1 type tags{} int long",
  ]);
});

test("the last version is asked, and all of them by transitive modes", () => {
  const versions = [{ a: "int not null" }, {}, { a: "varchar" }] as const;
  expect(answers("backward", ...versions)).toEqual([]);
  expect(answers("backward_transitive", ...versions)).toEqual(["backward v1 type a string int"]);
});

test("columns are matched as files are: ignoring case; fields in them exactly", () => {
  expect(answers("full", { Id: "int not null" }, { id: "int not null" })).toEqual([]);
  expect(answers("backward", { s: "struct(A int)" }, { s: "struct(a int not null)" })).toEqual([
    "backward v1 missing s.a int null",
  ]);
});

test("where no value was seen any type may come", () => {
  expect(answers("full", { a: "" }, { a: "bigint" })).toEqual([]);
});

test("none asks nothing", () => {
  expect(answers("none", { a: "int" }, { a: "date not null", b: "int not null" })).toEqual([]);
});
