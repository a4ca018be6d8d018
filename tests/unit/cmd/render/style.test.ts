/** When there are colours, and what a value may not do to the terminal. */

import { expect, test } from "bun:test";
import { createStyle, printable, wantsColor } from "../../../../cmd/render/style.ts";

test("colour follows the flag, then forcing, then NO_COLOR, then the terminal", () => {
  const ask = (env: Record<string, string>, isTerminal = true, flag: boolean | null = null) =>
    wantsColor({ env, isTerminal, flag });
  expect(ask({})).toBe(true);
  expect(ask({}, false)).toBe(false);
  expect(ask({ TERM: "dumb" })).toBe(false);
  expect(ask({ NO_COLOR: "1" })).toBe(false);
  expect(ask({ NO_COLOR: "" })).toBe(true);
  expect(ask({ FORCE_COLOR: "1", NO_COLOR: "1" }, false)).toBe(true);
  expect(ask({ FORCE_COLOR: "0" })).toBe(false);
  expect(ask({ CLICOLOR_FORCE: "1" }, false)).toBe(true);
  expect(ask({ FORCE_COLOR: "1" }, true, false)).toBe(false);
});

test("a style that is off changes nothing", () => {
  expect(createStyle(false).red("x")).toBe("x");
  expect(createStyle(true).red("x")).toBe("\x1b[31mx\x1b[39m");
});

test("control characters cannot reach the terminal", () => {
  expect(printable("a\x1b[31mb\nc\u202ed\x07")).toBe("a\\e[31mb\\nc\\u202ed\\x07");
  expect(printable("naïve 日本 👩‍🚀")).toBe("naïve 日本 👩‍🚀");
});
