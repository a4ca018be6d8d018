/** Drops dealt to sources: who takes a dropped file, and why nobody does. */

import { expect, test } from "bun:test";
import { must } from "../../../../core/base/assert.ts";
import { type DealtDrops, sourcesFor } from "../../../../core/config/source-of-drop.ts";
import { readConfig } from "../../../../core/config.ts";
import { FORMATS } from "../../../../sql/decode/formats.ts";
import { FILE_SOURCES } from "../../../support/file-sources.ts";

function claims(sources: object, listing: readonly string[]): DealtDrops {
  const { config, issues } = readConfig(
    { sources },
    { folderName: "shop", env: {}, sources: FILE_SOURCES },
  );
  return sourcesFor(must(config, `no issues in ${JSON.stringify(issues)}`), listing, FORMATS);
}

function owners(result: DealtDrops): Record<string, string> {
  return Object.fromEntries([...result.sourceByPath].map(([path, source]) => [path, source.into]));
}

test("without settings folders and stems of drops are sources", () => {
  const result = claims({}, [
    "drops/Orders 2026/a.csv",
    "drops/x/y/z.json.gz",
    "drops/clicks.2026-11.csv",
  ]);
  expect(owners(result)).toEqual({
    "drops/Orders 2026/a.csv": "bronze.orders_2026",
    "drops/x/y/z.json.gz": "bronze.x",
    "drops/clicks.2026-11.csv": "bronze.clicks",
  });
});

test("folders and files of one name are one source whose path holds them all", () => {
  const result = claims({}, ["drops/orders/a.csv", "drops/Orders/b.csv", "drops/orders.csv"]);
  expect(result.sources.map((source) => [source.name, source.path])).toEqual([
    ["orders", "{drops/Orders/**,drops/orders.*,drops/orders/**}"],
  ]);
});

test("a derived path claims again what it was derived from", () => {
  const listing = ["drops/we[ird]/a.csv", "drops/{x}.csv", "drops/a,b/c.csv"];
  const first = claims({}, listing);
  const paths = Object.fromEntries(
    first.sources.map((source) => [source.name, { path: source.path }]),
  );
  expect(owners(claims(paths, listing))).toEqual(owners(first));
});

test("a configured path wins, and the rest of its folder is not guessed", () => {
  const orders = { orders: { path: "drops/orders/**/*.csv" } };
  const result = claims(orders, ["drops/orders/a.csv", "drops/orders/a.json", "drops/new/b.csv"]);
  expect(owners(result)).toEqual({
    "drops/orders/a.csv": "bronze.orders",
    "drops/new/b.csv": "bronze.new",
  });
  expect(result.unclaimed).toEqual([
    {
      path: "drops/orders/a.json",
      reason: 'source "orders" takes only drops/orders/**/*.csv here',
      isBookkeeping: false,
    },
  ]);
});

test("what two sources match, or a taken name, is unclaimed with the reason", () => {
  const both = { a: { path: "drops/in/**" }, b: { path: "drops/in/b*" }, c: { path: "inbox/**" } };
  const result = claims(both, ["drops/in/b.csv", "drops/c/x.csv"]);
  expect(result.unclaimed.map((entry) => entry.reason)).toEqual([
    'sources "a" and "b" both match it: narrow one path',
    'source "c" has this name and takes inbox/**',
  ]);
});

test("hidden files, other places and other formats are unclaimed", () => {
  const result = claims({}, [
    "drops/.x.csv",
    "other/a.csv",
    "drops/notes/readme.md",
    "drops/a/run.1",
  ]);
  expect(result.unclaimed.map((entry) => entry.path)).toEqual([
    "drops/.x.csv",
    "other/a.csv",
    "drops/notes/readme.md",
  ]);
});

test("a hundred thousand names are claimed quickly", () => {
  const listing = Array.from(
    { length: 100_000 },
    (_, index) => `drops/s${index % 50}/f${index}.csv`,
  );
  const result = claims({ s1: { path: "drops/s1/**/*.csv" } }, listing);
  expect([result.sources.length, result.sourceByPath.size]).toEqual([50, 100_000]);
});
