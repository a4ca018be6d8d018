/** Errors of the SQL engine: whose fault they are. */

import { expect, test } from "bun:test";
import { duckDBError } from "../../../../sql/duckdb/error.ts";

function codeOf(fields: Readonly<Record<string, string>>): string {
  return duckDBError(new Error(`IO Error: ${JSON.stringify(fields)}`), null).code;
}

const IO = { exception_type: "IO" };

test("duckDBError takes an IO error without a system call for damaged bytes", () => {
  const message = "The width (63) of the data exceeds the maximum width (32)";
  expect(codeOf({ ...IO, exception_message: message })).toBe("corrupt");
});

test("duckDBError takes a place that no file has for damaged bytes", () => {
  expect(codeOf({ ...IO, exception_message: "Could not read", errno: "22" })).toBe("corrupt");
});

test("duckDBError takes a failed system call for the system's fault, also within another error", () => {
  const full = { ...IO, exception_message: "Could not write file", errno: "28" };
  const outer = { ...IO, exception_message: `Async write failed: ${JSON.stringify(full)}` };
  expect([codeOf(full), codeOf(outer)]).toEqual(["io", "io"]);
});

test("duckDBError takes a file that is not there for the system's fault", () => {
  const message = 'No files found that match the pattern "x.csv"';
  expect(codeOf({ ...IO, exception_message: message })).toBe("io");
});
