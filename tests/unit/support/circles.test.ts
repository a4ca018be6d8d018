/** Circles are found, each once, and nothing else is. */

import { expect, test } from "bun:test";
import { circlesOf } from "../../support/circles.ts";

function circles(text: string): string[][] {
  const targets = new Map<string, string[]>();
  for (const edge of text.split(" ").filter((part) => part !== "")) {
    const [from = "", to = ""] = edge.split(">");
    targets.set(from, [...(targets.get(from) ?? []), to]);
    if (!targets.has(to)) targets.set(to, []);
  }
  return circlesOf(targets);
}

test("a diamond is no circle", () => {
  expect(circles("a>b a>c b>d c>d")).toEqual([]);
});

test("circles that touch are one, circles apart are two", () => {
  expect(circles("a>b b>a b>c c>b d>a")).toEqual([["a", "b", "c"]]);
  expect(circles("a>b b>a b>c c>d d>c")).toEqual([
    ["c", "d"],
    ["a", "b"],
  ]);
  expect(circles("a>a b>a")).toEqual([["a"]]);
});
