/** Globs: each sign alone, nested braces, classes, and hostile patterns in bounded time. */

import { expect, test } from "bun:test";
import { must } from "../../../../core/base/assert.ts";
import { compileGlob, compilePath, escapeGlob, type Glob } from "../../../../core/base/glob.ts";

function glob(pattern: string): Glob {
  const result = compileGlob(pattern);
  return must(result.kind === "glob" ? result.glob : null, `${pattern} compiles`);
}

const CASES: readonly (readonly [
  pattern: string,
  matches: readonly string[],
  misses: readonly string[],
])[] = [
  [
    "drops/orders/**",
    ["drops/orders/a.csv", "drops/orders/x/y/z"],
    ["drops/orders", "drops/ordersx/a"],
  ],
  [
    "drops/**/*.csv",
    ["drops/a.csv", "drops/x/y/a.csv"],
    ["drops/a.json", "a.csv", "drops/a.csv/b"],
  ],
  ["**", ["a", "a/b/c", ""], []],
  ["*.csv", ["a.csv", ".csv"], ["x/a.csv", "a.csv.gz"]],
  ["a?c", ["abc", "a🐟c"], ["ac", "a/c", "abbc"]],
  ["{a,b{c,d}}/x", ["a/x", "bc/x", "bd/x"], ["b/x", "c/x"]],
  ["x{,.gz}", ["x", "x.gz"], ["x.zst"]],
  ["[a-c]1", ["a1", "c1"], ["d1", "/1"]],
  ["[!a-c]1", ["d1"], ["a1", "/1"]],
  ["[]x]", ["]", "x"], ["y"]],
  ["a\\*b", ["a*b"], ["axb"]],
  ["a**b", ["ab", "a/x/b"], ["a/x/c"]],
  ["日本/*.csv", ["日本/売上.csv"], ["日/売上.csv"]],
];

test("a glob takes and leaves what it should", () => {
  for (const [pattern, matches, misses] of CASES) {
    const compiled = glob(pattern);
    expect([pattern, matches.filter((path) => !compiled.matches(path))]).toEqual([pattern, []]);
    expect([pattern, misses.filter((path) => compiled.matches(path))]).toEqual([pattern, []]);
  }
});

test("a glob knows the folder before its first wildcard", () => {
  expect(["drops/a/**", "drops/*/x", "*.csv", "a/b.csv"].map((text) => glob(text).folder)).toEqual([
    "drops/a/",
    "drops/",
    "",
    "a/",
  ]);
});

test("an incomplete pattern is refused with its reason", () => {
  const kinds = ["", "{a", "[a", "a\\", "[z-a]", "x".repeat(2_000)].map(
    (text) => compileGlob(text).kind,
  );
  expect(new Set(kinds)).toEqual(new Set(["invalid"]));
});

test("an escaped name matches only itself", () => {
  const name = "we*ird[1]{a,b}?\\n.csv";
  expect([
    glob(escapeGlob(name)).matches(name),
    glob(escapeGlob(name)).matches("weXird1a.csv"),
  ]).toEqual([true, false]);
});

test("a pattern that blows up a backtracking matcher ends at once", () => {
  const hostile = glob(`${"*a".repeat(100)}b`);
  expect(hostile.matches("a".repeat(5_000))).toBe(false);
});

test("a path without wildcards is a file of that name, or all below the folder of that name", () => {
  const compiled = compilePath("drops/orders");
  const paths = [
    "drops/orders",
    "drops/orders/a.csv",
    "drops/orders/x/y",
    "drops/ordersx",
    "drops/orders.csv",
  ];
  const taken = paths.filter((path) => compiled.kind === "glob" && compiled.glob.matches(path));
  expect(taken).toEqual(["drops/orders", "drops/orders/a.csv", "drops/orders/x/y"]);
});

test("a path with wildcards is a glob", () => {
  const compiled = compilePath("drops/*");
  expect(compiled.kind === "glob" && compiled.glob.matches("drops/orders/a.csv")).toBe(false);
});
