/** The reader behind the house rules: code apart from words, and functions with their lengths. */

import { expect, test } from "bun:test";
import { functionsOf, readSource } from "../../support/source-text.ts";

function code(text: string): string {
  return readSource(text).code.join("\n").replace(/ +/g, " ").trim();
}

test("comments, strings and patterns are no code", () => {
  const text =
    "const a = \"any as x\"; // as y\nconst b = /as \"any/.test(a) /* as */ / 2;\nconst c = 'it\\'s';";
  expect(code(text)).toBe("const a = \" \"; \nconst b = / /.test(a) / 2;\nconst c = ' ';");
});

test("code inside a template is code again", () => {
  const tick = String.fromCharCode(96);
  expect(code(`f(${tick}as \${g({ x: ${tick}as \${y as z}${tick} })} as${tick}) as w;`)).toContain(
    "y as z",
  );
  expect(code(`f(${tick}as \${g(1)} as${tick}) as w;`).match(/\bas\b/g)?.length).toBe(1);
});

test("functions of every kind are measured, blocks are not", () => {
  const text = [
    "export function one(a: number): { b: string } {",
    "  if (a > 1) {",
    "    return two(() => {",
    "      return 1;",
    "    });",
    "  }",
    "}",
    "class C {",
    "  async method(a = f(1)): Promise<void> {",
    "    for (const x of y) {",
    "    }",
    "  }",
    "}",
    "const arrow = (a: number): number => {",
    "  return a;",
    "};",
    "const data = { a: 1 };",
  ].join("\n");
  const found = functionsOf(readSource(text)).map((entry) => [entry.line, entry.lineCount]);
  expect(found).toEqual([
    [3, 3],
    [1, 7],
    [9, 4],
    [14, 3],
  ]);
});
