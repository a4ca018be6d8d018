/** Keys from bytes, however they are cut. */

import { expect, test } from "bun:test";
import fc from "fast-check";
import { type Key, KeyDecoder } from "../../../../sql/shell/key-decoder.ts";

const bytes = (text: string) => new TextEncoder().encode(text);
const shown = (keys: readonly Key[]) =>
  keys.map((key) =>
    key.kind === "key" ? `<${key.name}>` : key.kind === "paste" ? `[${key.text}]` : key.text,
  );

function decode(text: string): string[] {
  const decoder = new KeyDecoder();
  return shown([...decoder.push(bytes(text)), ...decoder.flush()]);
}

test("text, control keys and sequences", () => {
  expect(decode("ab日\x01\r\t\x7f\n")).toEqual([
    "ab日",
    "<ctrl+a>",
    "<enter>",
    "<tab>",
    "<backspace>",
    "<ctrl+j>",
  ]);
  expect(decode("\x1b[A\x1bOB\x1b[1;5C\x1b[1;3D\x1b[H\x1b[4~\x1b[3~\x1b[3;5~\x1b[Z")).toEqual([
    "<up>",
    "<down>",
    "<ctrl+right>",
    "<alt+left>",
    "<home>",
    "<end>",
    "<delete>",
    "<ctrl+delete>",
    "<shift+tab>",
  ]);
  expect(decode("\x1bb\x1b\r\x1b\x7f\x1bZ\x1f")).toEqual([
    "<alt+b>",
    "<alt+enter>",
    "<alt+backspace>",
    "<alt+shift+z>",
    "<ctrl+_>",
  ]);
});

test("modifyOtherKeys and the kitty protocol", () => {
  expect(decode("\x1b[27;5;13~\x1b[13;3u\x1b[97;5u\x1b[13;2u\x1b[97u")).toEqual([
    "<ctrl+enter>",
    "<alt+enter>",
    "<ctrl+a>",
    "<shift+enter>",
    "a",
  ]);
});

test("a lone escape is Escape once nothing follows", () => {
  const decoder = new KeyDecoder();
  expect(decoder.push(bytes("\x1b"))).toEqual([]);
  expect(decoder.isWaiting).toBe(true);
  expect(shown(decoder.flush())).toEqual(["<escape>"]);
  expect(shown(decoder.push(bytes("[A")))).toEqual(["[A"]);
});

test("unknown sequences never become text", () => {
  expect(decode("\x1b[?1;2c\x1b[12;34Rx\x1b[999~y")).toEqual(["<shift+f3>", "x", "y"]);
});

test("a paste is one key, whatever it holds", () => {
  expect(decode("a\x1b[200~select 1;\r\nselect\r2;\t\x1b[A\x1b[201~b")).toEqual([
    "a",
    "[select 1;\nselect\n2;\t\x1b[A]",
    "b",
  ]);
});

test("bytes that are not UTF-8 do not stop it", () => {
  const decoder = new KeyDecoder();
  expect(shown(decoder.push(new Uint8Array([0xff, 0x61, 0xc3, 0x28])))).toEqual(["\ufffda\ufffd("]);
});

test("a long paste in small pieces is quick", () => {
  const decoder = new KeyDecoder();
  const line = bytes("select 'x';\n".repeat(1000));
  decoder.push(bytes("\x1b[200~"));
  for (let piece = 0; piece < 800; piece++) decoder.push(line);
  const [key] = decoder.push(bytes("\x1b[201~"));
  expect(key?.kind === "paste" && key.text.length).toBe(800 * 12 * 1000);
});

test("cutting the bytes anywhere changes nothing", () => {
  const parts = ["a", "é", "日本", "👩‍🚀", "\x01", "\r", "\x1b[A", "\x1b[1;5C", "\x1bOP", "\x1bb"];
  const paste = "\x1b[200~x\ny\x1b[201~";
  const stream = fc.array(fc.constantFrom(...parts, paste), { maxLength: 20 });
  fc.assert(
    fc.property(stream, fc.array(fc.nat(40), { maxLength: 20 }), (list, cuts) => {
      const all = bytes(list.join(""));
      const whole = new KeyDecoder().push(all);
      const decoder = new KeyDecoder();
      const keys: Key[] = [];
      let at = 0;
      for (const cut of cuts) {
        keys.push(...decoder.push(all.subarray(at, Math.min(all.length, at + cut))));
        at = Math.min(all.length, at + cut);
      }
      keys.push(...decoder.push(all.subarray(at)));
      expect(joined(keys)).toEqual(joined(whole));
    }),
  );
});

function joined(keys: readonly Key[]): string {
  return shown(keys).join("");
}
