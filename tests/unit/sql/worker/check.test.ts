/** An evil worker: answers of the wrong shape, and answers that reach outside of their batch. */

import { describe, expect, test } from "bun:test";
import { LakeError } from "../../../../core/base/errors.ts";
import type { Decoded, DecodeRequest, MaterializeRequest } from "../../../../core/engine.ts";
import { checkAnalysis } from "../../../../sql/worker/analysis-answer.ts";
import {
  checkDecoded,
  checkDescribed,
  checkDiff,
  checkMaterialized,
  checkRewritten,
} from "../../../../sql/worker/protocol.ts";

const REQUEST = {
  files: [{ name: "a.csv" }, { name: "b.csv" }],
  staging: "/lake/staging/x",
} as unknown as DecodeRequest; // parse: only what the check looks at

function decoded(change: Partial<Record<keyof Decoded, unknown>> = {}): unknown {
  const file = { rowsIn: 1, rowsLanded: 1, rowsQuarantined: 0, fault: null, misfits: [] };
  return {
    files: [
      { name: "a.csv", dialect: null, ...file },
      { name: "b.csv", dialect: null, ...file },
    ],
    data: written("/lake/staging/x/data/1.parquet"),
    rejects: null,
    examples: [],
    ...change,
  };
}

function written(path: string, change: object = {}) {
  return {
    files: [{ path, rows: 1n, sizeBytes: 10n, partition: [1, null, "x"], ...change }],
    rows: 1n,
  };
}

function refused(value: unknown): string {
  try {
    checkDecoded(value, REQUEST);
  } catch (thrown) {
    if (thrown instanceof LakeError) return thrown.message;
  }
  return "accepted";
}

describe("checkDecoded", () => {
  test("takes a right answer as it is", () => {
    const answer = decoded();
    expect<unknown>(checkDecoded(answer, REQUEST)).toBe(answer);
  });

  test.each([
    "/lake/staging/y/1.parquet",
    "/lake/staging/x",
    "/lake/staging/x/",
    "/lake/staging/xy/1.parquet",
    "/lake/staging/x/../../data/1.parquet",
    "/lake/staging/x/./1.parquet",
    "/lake/staging/x//1.parquet",
    "/lake/staging/x/a\0b",
    "lake/staging/x/1.parquet",
    "/etc/passwd",
    "",
  ])("no staged file %j", (path) => {
    expect(refused(decoded({ data: written(path) }))).toContain("staged file");
    expect(refused(decoded({ rejects: written(path) }))).toContain("staged file");
  });

  test("each file once, and no other", () => {
    const [first] = (decoded() as Decoded).files;
    expect(refused(decoded({ files: [first, first] }))).toContain("file a.csv");
    expect(refused(decoded({ files: [{ ...first, name: "c.csv" }] }))).toContain("file c.csv");
  });

  test("says where the shape is wrong", () => {
    expect(refused(null)).toContain("decoded is not an object");
    expect(refused(decoded({ files: {} }))).toContain("decoded.files is not a list");
    const [first] = (decoded() as Decoded).files;
    expect(refused(decoded({ files: [{ ...first, rowsIn: -1 }] }))).toContain(
      "decoded.files[0].rowsIn is not a count",
    );
    expect(refused(decoded({ data: written("/lake/staging/x/1", { rows: 1 }) }))).toContain(
      "decoded.data.files[0].rows is not a count",
    );
    expect(refused(decoded({ data: written("/lake/staging/x/1", { partition: [{}] }) }))).toContain(
      "partition[0] is not a partition value",
    );
    expect(refused(decoded({ examples: [{ file: 1 }] }))).toContain("examples[0].file is not text");
  });
});

test("checkMaterialized takes only files of the target as replaced", () => {
  const request = {
    staging: "/s",
    mode: {
      kind: "merge",
      target: {
        files: [{ file: { path: "file:///t/1.parquet" } }],
        deletes: [{ path: "file:///t/d.parquet" }],
      },
    },
    rejectTarget: { files: [{ file: { path: "file:///q/1.parquet" } }] },
  } as unknown as MaterializeRequest; // parse: only what the check looks at
  const answer = (replaced: string[], rejectsReplaced: string[] = []) => ({
    data: { files: [], rows: 0n },
    replaced,
    rejects: null,
    rejectsReplaced,
    rowsIn: 0n,
    rowsInserted: 0n,
    rowsUpdated: 0n,
    rowsDeleted: 0n,
    rowsDropped: 0n,
    rowsQuarantined: 0n,
    sequence: null,
    deletes: { files: [], rows: 0n },
    tests: [],
    stop: null,
    note: null,
    retreat: null,
  });
  expect(checkMaterialized(answer(["file:///t/1.parquet"]), request).replaced).toHaveLength(1);
  expect(checkMaterialized(answer(["file:///t/d.parquet"]), request).replaced).toHaveLength(1);
  expect(() => checkMaterialized(answer(["file:///t/2.parquet"]), request)).toThrow(
    "replaced file",
  );
  expect(checkMaterialized(answer([], ["file:///q/1.parquet"]), request)).toBeDefined();
  expect(() => checkMaterialized(answer([], ["file:///t/1.parquet"]), request)).toThrow(
    "of the quarantine",
  );
});

test("the other answers have their shape", () => {
  const analysis = {
    ...{
      tables: [],
      notIncremental: [],
      drivers: ["a"],
      followed: [],
      beyondRows: [],
      combines: false,
      notDeterministic: [],
      clock: [],
      outputs: [],
    },
    columns: { words: [], unnamed: false },
  };
  expect(checkAnalysis(analysis).drivers).toEqual(["a"]);
  expect(() => checkAnalysis({ ...analysis, drivers: "a" })).toThrow("analysis.drivers");
  expect(checkDescribed({ columns: [] }).columns).toEqual([]);
  expect(() => checkDescribed({ columns: [{ name: "a", type: "long" }] })).toThrow("type");
  const rewritten = { ...written("/x/1"), replaced: [], rowsLeftOut: 0n };
  const asked = { staging: "/y", paths: ["p"] } as never; // parse: only what the check looks at
  expect(() => checkRewritten(rewritten, asked)).toThrow("staged file");
  const other = { ...rewritten, files: [], replaced: ["q"] };
  expect(() => checkRewritten(other, asked)).toThrow("a file to rewrite");
  const diff = { added: 1n, removed: 0n, changed: 0n };
  const sample = [{ change: "added", key: { id: "1" }, values: [] }];
  expect(checkDiff({ ...diff, sample }).sample).toHaveLength(1);
  expect(() => checkDiff({ ...diff, sample: [{ ...sample[0], key: { id: 1 } }] })).toThrow(
    "key.id",
  );
});
