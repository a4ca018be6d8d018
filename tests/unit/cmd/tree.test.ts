/** Words of a command line: where global flags may stand, and what asks for help. */

import { expect, test } from "bun:test";
import { reorder } from "../../../cmd/tree.ts";

test("global flags before the command move behind it; its own words keep their order", () => {
  expect(reorder(["-C", "shop", "--json", "sql", "-c", "select 1"]).words).toEqual([
    "sql",
    "-C",
    "shop",
    "--json",
    "-c",
    "select 1",
  ]);
  expect(reorder(["--project=shop", "build"]).words).toEqual(["build", "--project=shop"]);
  expect(reorder(["--threads", "2", "build", "x"]).words).toEqual(["build", "--threads", "2", "x"]);
});

test("a folder that is called like a command is not one", () => {
  expect(reorder(["-C", "build", "status"]).words).toEqual(["status", "-C", "build"]);
});

test("help anywhere before --", () => {
  expect(reorder(["build", "--help"]).help).toBe(true);
  expect(reorder(["-h", "build"]).help).toBe(true);
  expect(reorder(["load", "--", "-h"]).help).toBe(false);
});

test("no command is no word", () => {
  expect(reorder([]).words).toEqual([]);
  expect(reorder(["--json"]).words).toEqual([]);
  expect(reorder(["-C"]).words).toEqual([]);
  expect(reorder(["--version"]).words).toEqual(["--version"]);
});
