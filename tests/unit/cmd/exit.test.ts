/** Errors as people and scripts read them, and the exit codes that scripts rely on. */

import { expect, test } from "bun:test";
import { EXPLAIN_PAGES, explainText, findPage } from "../../../cmd/commands/explain-pages.ts";
import {
  CODE_PAGES,
  EXIT,
  errorJson,
  errorReport,
  errorReports,
  exitCodeOf,
} from "../../../cmd/exit.ts";
import { createStyle } from "../../../cmd/render/style.ts";
import { must } from "../../../core/base/assert.ts";
import { type ErrorCode, LakeError } from "../../../core/base/errors.ts";

const MODEL = "select\n  order_id,\n  amout * 1.19 as gross,\nfrom bronze.orders\n";
const PRINT = {
  style: createStyle(false),
  debug: false,
  readText: (file: string) => (file === "models/silver/orders.sql" ? MODEL : null),
};

test("an error shows its place with a caret, help and page", () => {
  const error = new LakeError("sql", 'column "amout" not found in bronze.orders', {
    hint: 'did you mean "amount"?',
    place: { file: "models/silver/orders.sql", line: 3, column: 3, length: 5 },
    page: "T0203",
  });
  expect(errorReport(error, PRINT)).toBe(`\
error[T0203]: column "amout" not found in bronze.orders
  --> models/silver/orders.sql:3:3
   |
 2 |   order_id,
 3 |   amout * 1.19 as gross,
   |   ^^^^^
help: did you mean "amount"?
   →  tarn explain T0203
`);
});

test("carets stand under wide characters, and long lines are cut around them", () => {
  const wide = { ...PRINT, readText: () => "select '日本' as a, nope" };
  const place = { file: "q.sql", line: 1, column: 19, length: 4 };
  const lines = errorReport(new LakeError("sql", "x", { place }), wide).split("\n");
  expect(lines[3]).toBe(" 1 | select '日本' as a, nope");
  expect(lines[4]).toBe(`   | ${" ".repeat(20)}^^^^`);
  const long = { ...PRINT, readText: () => `${"a".repeat(5000)}!${"b".repeat(5000)}` };
  const far = errorReport(
    new LakeError("sql", "x", { place: { file: "q", line: 1, column: 5001 } }),
    long,
  ).split("\n");
  expect(far[3]?.indexOf("!")).toBe(far[4]?.indexOf("^"));
  expect(far[3]?.length).toBeLessThan(120);
});

test("text from outside cannot move the cursor", () => {
  expect(errorReport(new LakeError("input", "bad \x1b[2J file"), PRINT)).not.toContain("\x1b");
});

test("exit codes", () => {
  const codes: Record<ErrorCode, number> = {
    usage: 2,
    config: 2,
    unsupported: 2,
    sql: 1,
    "not-found": 1,
    input: 1,
    expectation: 1,
    schema: 1,
    corrupt: 1,
    conflict: 3,
    locked: 3,
    io: 3,
    internal: 70,
  };
  for (const [code, exit] of Object.entries(codes)) {
    expect(exitCodeOf(new LakeError(code as ErrorCode, ""))).toBe(exit);
  }
  expect(exitCodeOf(new TypeError("x"))).toBe(EXIT.bug);
});

test("errors as JSON", () => {
  const error = new LakeError("not-found", "no table", {
    hint: "h",
    context: { id: 9007199254740993n },
    place: { file: "f", line: 1, column: 2 },
  });
  expect(errorJson(error)).toBe(
    '{"schema":"tarn.error/1","error":{"code":"not-found","page":"T0202","message":"no table","hint":"h",' +
      '"place":{"file":"f","line":1,"column":2,"length":1},"context":{"id":9007199254740993}}}',
  );
});

test("a bug says so, and shows its stack only when asked", () => {
  const bug = new TypeError("x is not a function");
  expect(errorReport(bug, PRINT)).toContain("this is a bug in tarn");
  expect(errorReport(bug, PRINT)).not.toContain("exit.test.ts");
  expect(errorReport(bug, { ...PRINT, debug: true })).toContain("exit.test.ts");
});

test("at most three problems in full", () => {
  const many = Array.from({ length: 5 }, (_none, i) => new LakeError("config", `problem ${i}`));
  const text = errorReports(many, PRINT);
  expect(text).toContain("problem 2");
  expect(text).not.toContain("problem 3");
  expect(text).toContain("and 2 more problems");
});

test("every code and every page number in the sources has a page", async () => {
  const ids = EXPLAIN_PAGES.map((page) => page.id);
  expect(new Set(ids).size).toBe(ids.length);
  for (const id of Object.values(CODE_PAGES)) expect(ids).toContain(id);
  const root = new URL("../../..", import.meta.url).pathname;
  for (const folder of ["cmd", "core", "sql", "storage"]) {
    for await (const path of new Bun.Glob(`${folder}/**/*.ts`).scan(root)) {
      const text = await Bun.file(root + path).text();
      for (const [, id] of text.matchAll(/page: "(T\d{4})"/g)) expect(ids).toContain(id ?? "");
    }
  }
});

test("a page is found by number or code, and a wrong one names near ones", () => {
  expect(findPage("203")?.id).toBe("T0203");
  expect(findPage("conflict")?.id).toBe("T0301");
  expect(findPage("confict")).toBeNull();
  expect(explainText(must(findPage("T0301"), "its page"))).toStartWith(
    "T0301: another process committed first  (conflict)\n",
  );
});
