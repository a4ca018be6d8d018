/** Nothing is broken within a word at a terminal's edge: the text of every command on terminals of any width. */

import { expect, setDefaultTimeout, test } from "bun:test";
import { mkdir, utimes, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { shortened, wrapped } from "../../../../cmd/render/style.ts";
import { REPOSITORY } from "../../../support/source-tree.ts";
import { tempFolder } from "../../../support/temp-folder.ts";

setDefaultTimeout(120_000);

test("lines break between words, and go on where their last column began", () => {
  expect(wrapped("short", 10)).toBe("short");
  expect(wrapped("one two three four", 9)).toBe("one two\n  three\n  four");
  expect(wrapped("  name    what it is and more", 20)).toBe(
    "  name    what it is\n          and more",
  );
  expect(wrapped("a\n\nlong words here", 10)).toBe("a\n\nlong words\n  here");
  expect(wrapped("/a/path/that/is/longer/than/a/line x", 10)).toBe(
    "/a/path/that/is/longer/than/a/line\n  x",
  );
});

test("a line that must stay one ends in an ellipsis, between words where a gap is near", () => {
  expect(shortened("short", 10)).toBe("short");
  expect(shortened("bronze.orders   50 rows · 3 in bronze_quarantine", 40)).toBe(
    "bronze.orders   50 rows · 3 in …",
  );
  expect(shortened("a_word_without_any_gap_in_it", 12)).toBe("a_word_wit …");
  for (let width = 3; width < 60; width++) {
    const text = "\x1b[31mred words\x1b[39m and 日本 words of many sizes in one line that is long";
    const cut = shortened(text, width);
    expect(Bun.stringWidth(cut)).toBeLessThanOrEqual(width);
    expect(cut.split("\x1b[31m").length).toBe(cut.split("\x1b[39m").length);
  }
});

test("words are never cut, whatever the width, and none is lost", () => {
  const text =
    "  --flag=<VALUE>    what it does, in words of \x1b[31mmany\x1b[39m sizes: 日本 é extraordinarily";
  const words = (of: string): string[] => of.split(/\s+/).filter((word) => word !== "");
  for (let width = 10; width < 120; width++) {
    const lines = wrapped(text, width).split("\n");
    expect(words(lines.join(" "))).toEqual(words(text));
    for (const line of lines) {
      const isOneWord = words(line).length === 1;
      expect(isOneWord || Bun.stringWidth(line) <= width).toBe(true);
    }
  }
});

/** What a command prints on a terminal of so many columns, in lines. */
async function printedOn(columns: number, folder: string, words: readonly string[]) {
  let output = "";
  const decoder = new TextDecoder();
  const terminal = new Bun.Terminal({
    cols: columns,
    rows: 40,
    data: (_, data) => {
      output += decoder.decode(data, { stream: true });
    },
  });
  const child = Bun.spawn([process.execPath, join(REPOSITORY, "cmd/main.ts"), ...words], {
    cwd: folder,
    terminal,
    env: { ...process.env, TERM: "xterm", NO_COLOR: "1" },
  });
  await child.exited;
  terminal.close();
  // biome-ignore lint/suspicious/noControlCharactersInRegex: what draws and takes back a spinner
  return output.replace(/\r\x1b\[2K[^\n]*?(?=\r\x1b\[2K|\n|$)/g, "").split(/\r*\n/);
}

test("what commands print fits terminals of 60 and 200 columns", async () => {
  await using folder = await tempFolder();
  await mkdir(join(folder.path, "drops/orders_of_a_long_name"), { recursive: true });
  const drop = join(folder.path, "drops/orders_of_a_long_name/a.csv");
  await writeFile(drop, "id,amount\n1,2\n2,3,4\n");
  const old = new Date("2026-01-01T00:00:00Z");
  await utimes(drop, old, old);
  await mkdir(join(folder.path, "models/gold"), { recursive: true });
  const sql = "select sum(nosuch_column) as total from bronze.orders_of_a_long_name\n";
  await writeFile(join(folder.path, "models/gold/total.sql"), sql);
  const commands = [
    ["help"],
    ["help", "quarantine"],
    ["explain", "lake.ledger"],
    ["build"],
    ["check"],
    ["status"],
    ["log"],
    ["ls"],
    ["quarantine", "show", "orders_of_a_long_name"],
    [
      "sql",
      "-c",
      "select nosuch, 'a text that is longer than any line of a small terminal' from range(3)",
    ],
  ];
  const tooLong: string[] = [];
  for (const width of [60, 200]) {
    for (const words of commands) {
      for (const line of await printedOn(width, folder.path, words)) {
        const isOneWord = line.trim().split(/\s+/).length === 1;
        if (Bun.stringWidth(line) > width && !isOneWord) tooLong.push(`${words[0]}: ${line}`);
      }
    }
  }
  expect(tooLong).toEqual([]);
});
