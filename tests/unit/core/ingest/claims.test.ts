/** What becomes of claimed files: landed whole or by their tail, another version, a replacement, a duplicate. */

import { expect, test } from "bun:test";
import { defaultSource } from "../../../../core/config/default-source.ts";
import type { FileSourceConfig } from "../../../../core/ingest/contract.ts";
import { decideClaims } from "../../../../core/ingest/decision.ts";
import type { Ledger } from "../../../../core/ingest/ledger.ts";
import type { Decision } from "../../../../core/ingest/source.ts";
import { claimsOf, type Landed, ledgerOf, textPrefixes } from "../../../support/known-files.ts";

async function decide(
  landed: readonly Landed[],
  files: Readonly<Record<string, string>>,
  options: Partial<FileSourceConfig> = {},
): Promise<string[]> {
  const config = { ...defaultSource("s", "drops/s/**"), ...options };
  // parse: decisions ask a ledger for no more than these
  const ledger = ledgerOf(landed) as unknown as Ledger; // parse: above
  const claims = claimsOf(files);
  const { decisions, later } = await decideClaims(ledger, config, textPrefixes, claims);
  return [
    ...decisions.map((decision) => words(decision, config.sameName === "replace")),
    ...later.map(({ file }) => `${file} later`),
  ];
}

function words(decision: Decision, isReplacing: boolean): string {
  const name = `${decision.claim.file} v${decision.version}`;
  if (decision.kind === "duplicate") return `${name} duplicate of ${decision.first}`;
  const { fromByte, newlines, changed, version, reopens } = decision;
  const replaces = isReplacing && version > 1;
  const how = replaces ? "replaces" : changed ? "changed" : fromByte > 0 ? "tail" : "whole";
  const again = reopens === undefined ? "" : `, reopens ${reopens.file} v${reopens.version}`;
  const was = (decision.wasAside ?? []).map(({ file }) => `, was ${file}`).join("");
  return `${name} ${how} from ${fromByte}, ${newlines} lines${again}${was}`;
}

const A = "id\n1\n";

test("new files land whole; equal bytes in one batch are one file and a duplicate", async () => {
  expect(await decide([], { "a.csv": A, "b.csv": A, "c.csv": "id\n2\n" })).toEqual([
    "a.csv v1 whole from 0, 2 lines",
    "b.csv v1 duplicate of a.csv",
    "c.csv v1 whole from 0, 2 lines",
  ]);
});

test("equal bytes of an earlier batch are a duplicate, unless same_bytes says land", async () => {
  const landed = [{ file: "a.csv", text: A }];
  expect(await decide(landed, { "b.csv": A })).toEqual(["b.csv v1 duplicate of a.csv"]);
  expect(await decide(landed, { "b.csv": A, "c.csv": A }, { sameBytes: "land" })).toEqual([
    "b.csv v1 whole from 0, 2 lines",
    "c.csv v1 whole from 0, 2 lines",
  ]);
});

test("a touched file never lands twice, whatever same_bytes says", async () => {
  const landed = [{ file: "a.csv", text: A }];
  expect(await decide(landed, { "a.csv": A }, { sameBytes: "land" })).toEqual([
    "a.csv v2 duplicate of a.csv",
  ]);
});

test("of a file that grew by whole lines the tail lands", async () => {
  const landed = [{ file: "a.csv", text: A }];
  expect(await decide(landed, { "a.csv": `${A}2\n3\n` })).toEqual([
    "a.csv v2 tail from 5, 2 lines",
  ]);
  const noEnd = [{ file: "a.csv", text: "id\n1" }];
  expect(await decide(noEnd, { "a.csv": "id\n1\n2\n" })).toEqual(["a.csv v2 tail from 5, 1 lines"]);
  expect(await decide(noEnd, { "a.csv": "id\n1\r\n2\r\n" })).toEqual([
    "a.csv v2 tail from 6, 1 lines",
  ]);
});

test("the beginning of a text that landed is a duplicate, under its own name", async () => {
  const end = { byte: 9, lines: 0, rows: 0 };
  const landed = [{ file: "a.csv", text: `${A}2\n3\n`, end }];
  expect(await decide(landed, { "a.csv": `${A}2` })).toEqual(["a.csv v2 duplicate of a.csv"]);
  expect(await decide(landed, { "a.csv": A }, { sameBytes: "land" })).toEqual([
    "a.csv v2 duplicate of a.csv",
  ]);
  expect(await decide(landed, { "a.csv": A }, { sameName: "replace" })).toEqual([
    "a.csv v2 replaces from 0, 2 lines",
  ]);
});

test("the beginning of a text that landed is one under another name where it is long enough to tell", async () => {
  const long = `id\n${"1234567\n".repeat(200)}`;
  const landed = [{ file: "a.csv", text: `${long}2\n`, end: { byte: 9, lines: 0, rows: 0 } }];
  expect(await decide(landed, { "b.csv": long })).toEqual(["b.csv v1 duplicate of a.csv"]);
  expect(await decide(landed, { "p=1/b.csv": long })).toEqual([
    "p=1/b.csv v1 whole from 0, 201 lines",
  ]);
  expect(await decide([{ file: "a.csv", text: `${A}2\n` }], { "b.csv": A })).toEqual([
    "b.csv v1 whole from 0, 2 lines",
  ]);
});

test("a last line that was cut is another value: the file changed", async () => {
  const cut = [{ file: "a.csv", text: "id\n1" }];
  expect(await decide(cut, { "a.csv": "id\n10\n2\n" })).toEqual([
    "a.csv v2 changed from 0, 3 lines",
  ]);
});

test("other bytes, and formats that are no lines, are another version", async () => {
  const landed = [{ file: "a.csv", text: A }];
  expect(await decide(landed, { "a.csv": "id\n7\n8\n" })).toEqual([
    "a.csv v2 changed from 0, 3 lines",
  ]);
  expect(await decide([{ file: "a.parquet", text: A }], { "a.parquet": `${A}2\n` })).toEqual([
    "a.parquet v2 changed from 0, 3 lines",
  ]);
  expect(await decide([{ file: "a.csv.gz", text: A }], { "a.csv.gz": `${A}2\n` })).toEqual([
    "a.csv.gz v2 changed from 0, 3 lines",
  ]);
});

test("the tail of a file that was set aside whole is not all that is missing", async () => {
  const landed = [{ file: "a.csv", text: A, outcome: "quarantined" as const }];
  expect(await decide(landed, { "a.csv": `${A}2\n` })).toEqual([
    "a.csv v2 changed from 0, 3 lines",
  ]);
});

test("same_name: replace takes the place of the rows; their bytes are no longer there", async () => {
  const options = { sameName: "replace" } as const;
  const landed = [{ file: "a.csv", text: A }];
  expect(await decide(landed, { "a.csv": `${A}2\n` }, options)).toEqual([
    "a.csv v2 replaces from 0, 3 lines",
  ]);
  const replaced = [...landed, { file: "a.csv", text: "id\n9\n", version: 2 }];
  expect(await decide(replaced, { "b.csv": A }, options)).toEqual([
    "b.csv v1 whole from 0, 2 lines",
  ]);
  expect(await decide(replaced, { "b.csv": A })).toEqual(["b.csv v1 duplicate of a.csv"]);
  expect(await decide(landed, { "a.csv": "id\n9\n", "b.csv": A }, options)).toEqual([
    "a.csv v2 replaces from 0, 2 lines",
    "b.csv v1 whole from 0, 2 lines",
  ]);
});

test("same_name: replace: a copy is due when no other file holds its bytes any more", async () => {
  const options = { sameName: "replace" } as const;
  const copied = [
    { file: "a.csv", text: A },
    { file: "b.csv", text: A, outcome: "duplicate" as const },
  ];
  expect(await decide(copied, { "b.csv": A }, options)).toEqual(["b.csv v2 duplicate of b.csv"]);
  const replaced = [...copied, { file: "a.csv", text: "id\n9\n", version: 2 }];
  expect(await decide(replaced, { "b.csv": A }, options)).toEqual([
    "b.csv v2 replaces from 0, 2 lines",
  ]);
  expect(await decide(replaced, { "b.csv": A })).toEqual(["b.csv v2 duplicate of b.csv"]);
});

test("same_name: replace: rows leave for bytes that the name or another file held before", async () => {
  const options = { sameName: "replace" } as const;
  const landed = [
    { file: "a.csv", text: A },
    { file: "a.csv", text: "id\n9\n", version: 2 },
    { file: "b.csv", text: "id\n7\n" },
  ];
  expect(await decide(landed, { "a.csv": A }, options)).toEqual([
    "a.csv v3 replaces from 0, 2 lines",
  ]);
  expect(await decide(landed, { "a.csv": "id\n7\n" }, options)).toEqual([
    "a.csv v3 replaces from 0, 2 lines",
  ]);
});

const LOG = "id\n1\n2";
const OPEN = { byte: 5, line: 3, lines: 1, rows: 1 };

test("a last line that went on is read again; one that was whole is not", async () => {
  const landed = [{ file: "a.csv", text: LOG, end: OPEN }];
  expect(await decide(landed, { "a.csv": `${LOG}0\n3\n` })).toEqual([
    "a.csv v2 tail from 5, 2 lines, reopens a.csv v1",
  ]);
  expect(await decide(landed, { "a.csv": `${LOG}\r\n3\n` })).toEqual([
    "a.csv v2 tail from 8, 1 lines",
  ]);
  const quoted = [{ file: "a.csv", text: LOG, end: { ...OPEN, isQuoted: true } }];
  expect(await decide(quoted, { "a.csv": `${LOG}\n3\n` })).toEqual([
    "a.csv v2 tail from 5, 2 lines, reopens a.csv v1",
  ]);
});

test("a text goes on under any name: of the longest that landed the tail lands", async () => {
  const landed = [
    { file: "app.log.csv", text: A, end: {} },
    { file: "app.log.csv", text: `${A}2\n`, end: {}, version: 2 },
  ];
  const files = { "app.1.csv": `${A}2\n3\n`, "app.log.csv": "id\n4\n" };
  expect(await decide(landed, files)).toEqual([
    "app.1.csv v1 tail from 7, 1 lines",
    "app.log.csv v3 changed from 0, 2 lines",
  ]);
  expect(await decide(landed, files, { sameBytes: "land" })).toEqual([
    "app.1.csv v1 whole from 0, 4 lines",
    "app.log.csv v3 changed from 0, 2 lines",
  ]);
});

test("equal bytes in other folders key=value are other facts", async () => {
  const landed = [{ file: "s/day=1/a.csv", text: A, end: {} }];
  const files = { "s/day=2/a.csv": A, "s/day=3/a.csv": `${A}2\n`, "s/day=1/b.csv": A };
  expect(await decide(landed, files)).toEqual([
    "s/day=2/a.csv v1 whole from 0, 2 lines",
    "s/day=3/a.csv v1 whole from 0, 3 lines",
    "s/day=1/b.csv v1 duplicate of s/day=1/a.csv",
  ]);
});

test("a text that goes on with another one of its batch waits until that has landed", async () => {
  const first = { "log.1": "1\n34\n", log: "1\n34\n5\n", "log.2": "1\n35\n" };
  expect(await decide([], first)).toEqual([
    "log.1 v1 whole from 0, 2 lines",
    "log.2 v1 whole from 0, 2 lines",
    "log later",
  ]);
  const long = `${"x".repeat(2_000)}\n`;
  expect(await decide([], { a: `${long}1\n2\n`, b: `${long}1\n`, c: `${long}3\n` })).toEqual([
    "b v1 whole from 0, 2 lines",
    "c v1 whole from 0, 2 lines",
    "a later",
  ]);
});

test("texts of one batch go on with none in other folders of key=value, nor under replace or land", async () => {
  const other = { "d=1/a.csv": "id\n1\n", "d=2/a.csv": "id\n1\n2\n" };
  expect(await decide([], other)).toEqual([
    "d=1/a.csv v1 whole from 0, 2 lines",
    "d=2/a.csv v1 whole from 0, 3 lines",
  ]);
  const files = { "a.csv": "id\n1\n", "b.csv": "id\n1\n2\n" };
  for (const options of [{ sameName: "replace" }, { sameBytes: "land" }] as const) {
    expect(await decide([], files, options)).toEqual([
      "a.csv v1 whole from 0, 2 lines",
      "b.csv v1 whole from 0, 3 lines",
    ]);
  }
});

test("bytes that were set aside whole, and whose name was corrected, are nowhere: they are no duplicate", async () => {
  const aside = { file: "a.csv", text: "broken", outcome: "quarantined" as const };
  expect(await decide([aside], { "b.csv": "broken" })).toEqual(["b.csv v1 duplicate of a.csv"]);
  const mended = { file: "a.csv", text: A, version: 2 };
  expect(await decide([aside, mended], { "b.csv": "broken" })).toEqual([
    "b.csv v1 whole from 0, 0 lines",
  ]);
});

test("what was set aside whole and is copied away as it is, or grown, is what it was called", async () => {
  const landed = [{ file: "a.csv", text: 'id\n"1', outcome: "quarantined" as const }];
  expect(await decide(landed, { "a.1.csv": 'id\n"1', "a.csv": "id\n5\n" })).toEqual([
    "a.1.csv v1 whole from 0, 1 lines, was a.csv",
    "a.csv v2 whole from 0, 2 lines",
  ]);
  expect(await decide(landed, { "a.1.csv": 'id\n"1"\n', "a.csv": "id\n5\n" })).toEqual([
    "a.1.csv v1 whole from 0, 2 lines, was a.csv",
    "a.csv v2 whole from 0, 2 lines",
  ]);
  // It is still there, and this is another file on disk.
  expect(await decide(landed, { "b.csv": 'id\n"1"\n' })).toEqual([
    "b.csv v1 whole from 0, 2 lines",
  ]);
});
