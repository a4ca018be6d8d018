/** Copies: read where they are made until they are kept, and under their names when a batch is tried again. */

import { expect, test } from "bun:test";
import { type Batch, type Claim, Copies, type Source } from "../../../../core/ingest/source.ts";

const CLAIM: Claim = {
  file: "drops/s/a.csv",
  original: "originals/ab/abc",
  localPath: "/lake/originals/.incoming/1",
  keptPath: "/lake/originals/ab/abc",
  sha256: "abc",
  sizeBytes: 1,
  modifiedMs: 0,
  inode: "1:1",
  newlines: 1,
};
const BATCH: Batch = { source: "s", claims: [CLAIM], refused: [], more: false };

function sourceThatKeeps(keep: Source["keep"]): Source {
  const unasked = (): never => {
    throw new Error("not asked");
  };
  return {
    name: "s",
    poll: unasked,
    waitingMs: unasked,
    prefixes: unasked,
    settle: unasked,
    close: unasked,
    keep,
  };
}

test("after a conflict the file is read under its name, and kept once", async () => {
  const kept: Batch[] = [];
  const source = sourceThatKeeps(async (batch) => void kept.push(batch));
  const copies = new Copies(source, BATCH);
  expect(copies.pathOf(CLAIM)).toBe(CLAIM.localPath);
  await copies.keep();
  await copies.keep();
  expect(copies.pathOf(CLAIM)).toBe(CLAIM.keptPath);
  expect(kept).toEqual([BATCH]);
});

test("what could not be kept is not taken for kept", async () => {
  const source = sourceThatKeeps(async () => {
    throw new Error("EIO");
  });
  const copies = new Copies(source, BATCH);
  await expect(copies.keep()).rejects.toThrow("EIO");
  expect(copies.pathOf(CLAIM)).toBe(CLAIM.localPath);
});
