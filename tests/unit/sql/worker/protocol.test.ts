/** Messages between engine and worker: any plain data survives, in any cut, and nonsense is refused. */

import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { LakeError } from "../../../../core/base/errors.ts";
import { WORKER_MESSAGE_BYTES_MAX } from "../../../../core/limits.ts";
import {
  checkFromWorker,
  checkToWorker,
  encodeFrame,
  FrameReader,
  fromErrorMessage,
  toErrorMessage,
} from "../../../../sql/worker/protocol.ts";

function roundTrip(value: unknown): unknown {
  const [message] = new FrameReader().push(encodeFrame({ kind: "result", id: 1, value }));
  return checkFromWorker(message);
}

const { tree: plain } = fc.letrec((tie) => ({
  leaf: fc.oneof(
    fc.constant(null),
    fc.boolean(),
    fc.double(),
    fc.integer(),
    fc.bigInt(),
    fc.string({ unit: "binary" }),
    fc.uint8Array(),
  ),
  key: fc.oneof(
    fc.string(),
    fc.constantFrom("$n", "$b", "$m", "$o", "$f", "__proto__", "constructor"),
  ),
  tree: fc.oneof(
    { maxDepth: 4 },
    tie("leaf"),
    fc.array(tie("tree"), { maxLength: 4 }),
    fc
      .array(fc.tuple(tie("key"), tie("tree")), { maxLength: 4 })
      .map((entries) => Object.fromEntries(entries as [string, unknown][])),
    fc
      .array(fc.tuple(fc.oneof(fc.integer(), fc.string(), fc.bigInt()), tie("tree")), {
        maxLength: 4,
      })
      .map((entries) => new Map(entries as [unknown, unknown][])),
  ),
}));

describe("encodeFrame and FrameReader", () => {
  test("keep any plain data", () => {
    fc.assert(
      fc.property(plain, (value) => {
        expect(roundTrip(value)).toEqual({ kind: "result", id: 1, value });
      }),
    );
  });

  test("keep what JSON loses", () => {
    const value = {
      big: 2n ** 63n,
      bytes: new Uint8Array([0, 255]),
      map: new Map([[1, { lower: new Uint8Array([7]) }]]),
      odd: [Number.NaN, Number.POSITIVE_INFINITY, -0],
      tagged: { $n: "not a bigint" },
    };
    expect(roundTrip(value)).toStrictEqual({ kind: "result", id: 1, value });
  });

  test("find the messages in whatever pieces they come", () => {
    const frames = [1, 2, 3].map((id) =>
      encodeFrame({ kind: "result", id, value: "ü".repeat(id * 100) }),
    );
    const bytes = new Uint8Array(Buffer.concat(frames));
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: 400 }), { minLength: 1 }), (sizes) => {
        const reader = new FrameReader();
        const messages: unknown[] = [];
        for (let at = 0, turn = 0; at < bytes.length; turn++) {
          const end = at + (sizes[turn % sizes.length] ?? 1);
          messages.push(...reader.push(bytes.subarray(at, end)));
          at = end;
        }
        expect(messages).toHaveLength(3);
        expect(messages.map((message) => checkFromWorker(message))).toMatchObject([
          { id: 1 },
          { id: 2 },
          { id: 3 },
        ]);
      }),
    );
  });

  test("refuse a length that nobody sends before anything is allocated, and broken text", () => {
    const header = Buffer.alloc(4);
    header.writeUInt32BE(WORKER_MESSAGE_BYTES_MAX + 1);
    expect(() => new FrameReader().push(header)).toThrow("message between engine and worker");
    const text = Buffer.from("{oops");
    const frame = Buffer.concat([Buffer.from([0, 0, 0, text.length]), text]);
    expect(() => new FrameReader().push(frame)).toThrow(LakeError);
    const tag = Buffer.from('{"$n":"x"}');
    const tagged = Buffer.concat([Buffer.from([0, 0, 0, tag.length]), tag]);
    expect(() => new FrameReader().push(tagged)).toThrow(LakeError);
  });
});

describe("messages", () => {
  test("of another shape are refused on both sides", () => {
    const wrong = [
      null,
      [],
      "ready",
      {},
      { kind: "result", id: "1", value: 1 },
      { kind: "result", id: 1 },
      { kind: "progress", id: 1, file: 7 },
      { kind: "error", id: 1, error: { code: "made-up", message: "x" } },
      { kind: "failed", error: null },
      { kind: "start", mode: "hot", folders: [], tempFolder: "" },
      { kind: "start", mode: "warm", folders: [1], tempFolder: "" },
      { kind: "request", id: 1, operation: "decode", shareBytes: "1", request: {} },
    ];
    for (const message of wrong) {
      expect(() => checkFromWorker(message)).toThrow(LakeError);
      expect(() => checkToWorker(message)).toThrow(LakeError);
    }
  });

  test("an error arrives as it was thrown, with what the engine adds", () => {
    const error = new LakeError("sql", "no such column", {
      hint: "look",
      place: { file: "", line: 2, column: 3, length: 4 },
      context: { position: 7, id: 2n ** 60n },
      page: "T0203",
    });
    const { value } = roundTrip(toErrorMessage(error)) as { value: never };
    const arrived = fromErrorMessage(value, { file: "a.csv" });
    expect(arrived).toMatchObject({
      code: "sql",
      message: "no such column",
      hint: "look",
      place: { line: 2, column: 3 },
      context: { position: 7, id: 2n ** 60n, file: "a.csv" },
      page: "T0203",
    });
    expect(fromErrorMessage(toErrorMessage("text"))).toMatchObject({
      code: "internal",
      message: "text",
    });
  });
});

test("a failed system call is the machine's fault, with what to do", () => {
  const thrown = Object.assign(new Error("ENOSPC: no space left on device, open '/x'"), {
    code: "ENOSPC",
    syscall: "open",
    path: "/x",
  });
  const error = fromErrorMessage(toErrorMessage(thrown));
  expect(error.code).toBe("io");
  expect(error.message).toBe("cannot open /x: ENOSPC");
  expect(error.hint).toContain("the disk is full");
  expect(toErrorMessage(new Error("anything else")).code).toBe("internal");
});
