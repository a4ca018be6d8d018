/** Cursors as facts: written, read back, and never a reason to fail. */

import { expect, test } from "bun:test";
import { type Cursor, cursorFromText, cursorToText } from "../../../../core/model/cursor.ts";

const CURSOR: Cursor = {
  hash: "abc",
  timezone: "Asia/Tokyo",
  inputs: new Map([
    ["silver.b", { uuid: "u2", snapshotId: null, schemaId: null }],
    ["bronze.a", { uuid: "u1", snapshotId: 9223372036854775807n, schemaId: 3 }],
  ]),
  moments: new Map(),
  restored: null,
  sequence: null,
};

test("a cursor is read back, ids exact; equal cursors are equal texts", () => {
  const text = cursorToText(CURSOR);
  expect(cursorFromText(text)?.inputs.get("bronze.a")?.snapshotId).toBe(9223372036854775807n);
  expect(cursorFromText(text)?.inputs.get("silver.b")?.snapshotId).toBeNull();
  expect(cursorFromText(text)).toEqual(CURSOR);
  const turned = { ...CURSOR, inputs: new Map([...CURSOR.inputs].reverse()) };
  expect(cursorToText(turned)).toBe(text);
});

test("moments and a restore are kept, and take no room where there are none", () => {
  expect(cursorToText(CURSOR)).not.toContain("moments");
  const moments = new Map([["bronze.d@eom", { uuid: "u3", snapshotId: 5n, schemaId: 0 }]]);
  const full = { ...CURSOR, moments, restored: 12n };
  expect(cursorFromText(cursorToText(full))).toMatchObject({ moments, restored: 12n });
  expect(cursorFromText('{"hash":"a","inputs":{}}')).toMatchObject({
    moments: new Map(),
    restored: null,
  });
});

test("a cursor of an earlier program knows no zone and no schema", () => {
  const cursor = cursorFromText('{"hash":"a","inputs":{"bronze.a":{"uuid":"u","snapshot-id":7}}}');
  expect(cursor?.timezone).toBeNull();
  expect(cursor?.inputs.get("bronze.a")?.schemaId).toBeNull();
});

test("what is no cursor is none: the model runs full", () => {
  for (const text of [
    null,
    "",
    "{",
    "[]",
    "7",
    '{"hash":1,"inputs":{}}',
    '{"hash":"a","inputs":{"t":1}}',
  ]) {
    expect(cursorFromText(text)).toBeNull();
  }
});
