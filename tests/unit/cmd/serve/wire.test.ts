/** The lake's socket as bytes: chunks cut anywhere, lines too long, words that are no message. */

import { expect, test } from "bun:test";
import fc from "fast-check";
import {
  LINE_CHARS_MAX,
  Lines,
  parseReply,
  parseRequest,
  socketPath,
} from "../../../../cmd/serve/wire.ts";
import { stringifyJson } from "../../../../core/base/json.ts";

test("lines come out whole wherever the bytes are cut", () => {
  const lines = fc.array(fc.string({ unit: "binary" }).map((text) => text.replaceAll("\n", " ")));
  fc.assert(
    fc.property(lines, fc.array(fc.integer({ min: 1, max: 7 })), (texts, cuts) => {
      const valid = texts.map((text) => text.toWellFormed());
      const bytes = new TextEncoder().encode(valid.map((text) => `${text}\n`).join(""));
      const reader = new Lines();
      const read: string[] = [];
      let at = 0;
      for (const size of cuts) {
        read.push(...reader.push(bytes.subarray(at, at + size)));
        at += size;
      }
      read.push(...reader.push(bytes.subarray(at)));
      expect(read).toEqual(valid);
    }),
  );
});

test("a line over the limit ends the stream, with or without its end", () => {
  const long = new TextEncoder().encode("x".repeat(LINE_CHARS_MAX + 1));
  expect(() => new Lines().push(long)).toThrow(RangeError);
  const ended = new TextEncoder().encode(`${"x".repeat(LINE_CHARS_MAX + 1)}\n`);
  expect(() => new Lines().push(ended)).toThrow(RangeError);
  const fits = new TextEncoder().encode(`${"x".repeat(LINE_CHARS_MAX)}\n`);
  expect(new Lines().push(fits).length).toBe(1);
});

test("requests and replies are read back, anything else is nothing", () => {
  const request = {
    command: "build",
    args: { select: ["a"], n: 9007199254740993n },
    json: true,
    quiet: false,
    debug: false,
    color: true,
    width: 80,
  };
  expect(parseRequest(stringifyJson(request))).toEqual(request);
  expect(parseRequest('{"command":"build"}')?.args).toBeNull();
  for (const text of ["", "{", "null", "[]", '{"command":7}', "7"])
    expect(parseRequest(text)).toBeNull();
  expect(parseReply('{"kind":"exit","code":4}')).toEqual({ kind: "exit", code: 4 });
  expect(parseReply('{"kind":"out","text":"a\\nb"}')).toEqual({ kind: "out", text: "a\nb" });
  for (const text of ["", '{"kind":"exit"}', '{"kind":"out"}', '{"kind":"else","text":""}']) {
    expect(parseReply(text)).toBeNull();
  }
});

test("the socket is in the lake's folder, or where its name is short enough", () => {
  expect(socketPath("/data/lake")).toBe("/data/lake/.engine.sock");
  const deep = `/data/${"deep/".repeat(30)}lake`;
  const path = socketPath(deep);
  expect(path.length).toBeLessThan(104);
  expect(socketPath(deep)).toBe(path);
  expect(socketPath(`${deep}2`)).not.toBe(path);
});
