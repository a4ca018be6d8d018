/** Places, positions, types, settings and choices of tables: small texts that much depends on. */

import { describe, expect, test } from "bun:test";
import type { WireType } from "../../../../../core/ingest/wire-type.ts";
import { formatLsn, parseLsn, sortableLsn } from "../../../../../storage/sources/postgres/lsn.ts";
import {
  type Position,
  parsePosition,
  positionText,
} from "../../../../../storage/sources/postgres/position.ts";
import { namedTables, tableChoice } from "../../../../../storage/sources/postgres/publication.ts";
import { POSTGRES_SETTINGS } from "../../../../../storage/sources/postgres/settings.ts";
import { namesOf } from "../../../../../storage/sources/postgres/setup.ts";
import { typeTextOf } from "../../../../../storage/sources/postgres/wire-types.ts";

test("a place in the log is written as it was read", () => {
  expect(formatLsn(parseLsn("16/B374D848"))).toBe("16/B374D848");
});

test("places sort as the log is ordered, whatever their length", () => {
  const places = ["0/9", "0/10", "1/0", "A/0", "10/0"].map((text) => sortableLsn(parseLsn(text)));
  expect(places.toSorted()).toEqual(places);
});

test("a position is read back, and begins with its place", () => {
  const position: Position = {
    system: "7420000000000000001",
    timeline: 3,
    database: "shop",
    slot: "tarn_shop",
    lsn: parseLsn("16/B374D848"),
    tables: { "public.orders": { oid: 16_385, member: "16390", at: parseLsn("16/0") } },
    pending: [{ name: "a", sha256: "ff", sizeBytes: 3, rows: { "public.orders": 7 } }],
    isAnew: false,
  };
  const text = positionText(position);
  expect([text.startsWith("16/B374D848 "), parsePosition(text)]).toEqual([true, position]);
});

test("a position of a newer version is refused", () => {
  expect(() => parsePosition('0/1 {"version":2}')).toThrow(/another version/);
});

describe("numbers with a precision", () => {
  const typeOf = (precision: number, scale: number) => {
    const typmod = ((precision << 16) | (scale & 0x7ff)) + 4;
    return typeTextOf({ oid: 1700, typmod, name: "numeric", kind: "base" });
  };
  test("numeric(10,2)", () => expect(typeOf(10, 2)).toBe("decimal(10,2)"));
  test("numeric(38,38)", () => expect(typeOf(38, 38)).toBe("decimal(38,38)"));
  test("numeric(39,2) has more digits than a decimal", () => expect(typeOf(39, 2)).toBe("varchar"));
  test("numeric(3,-2) goes up to 99900", () => expect(typeOf(3, -2)).toBe("decimal(5,0)"));
  test("numeric(2,4) is at most 0.0099", () => expect(typeOf(2, 4)).toBe("decimal(4,4)"));
  test("numeric without one may have any number of digits", () => {
    expect(typeTextOf({ oid: 1700, typmod: -1, name: "numeric", kind: "base" })).toBe("varchar");
  });
});

test("a domain over a domain has the type of what it is over in the end", () => {
  const base: WireType = { oid: 23, typmod: -1, name: "int4", kind: "base" };
  const inner: WireType = { oid: 20_000, typmod: -1, name: "a", kind: "domain", base };
  expect(typeTextOf({ oid: 20_001, typmod: -1, name: "b", kind: "domain", base: inner })).toBe(
    "int",
  );
});

test("a type that is not known lands as text", () => {
  expect(typeTextOf({ oid: 99_999, typmod: -1, name: "gone", kind: "base" })).toBe("varchar");
});

describe("tables by name and by glob", () => {
  const choice = tableChoice(["orders", "sales.*", "app?.t[0-9]"]);
  test("a name alone is of public", () => expect(choice("public", "orders")).toBe(true));
  test("and of no other schema", () => expect(choice("sales_old", "orders")).toBe(false));
  test("a star is any table of the schema", () => expect(choice("sales", "items.old")).toBe(true));
  test("patterns in both parts", () => expect(choice("app1", "t7")).toBe(true));
  test("nothing named is everything", () => expect(tableChoice([])("any", "thing")).toBe(true));
  test("names among patterns", () =>
    expect(namedTables(["orders", "sales.*", "a.b"])).toEqual(["public.orders", "a.b"]));
});

describe("settings", () => {
  const read = (given: object) => {
    const issues: { readonly message: string }[] = [];
    const settings = POSTGRES_SETTINGS.read(given, { path: [], issues: issues as never });
    return settings ?? issues.map(({ message }) => message);
  };
  test("snapshot may be a boolean", () =>
    expect(read({ snapshot: false })).toMatchObject({ snapshot: "false" }));
  test("a slot's name that the server would refuse", () => {
    expect(read({ slot: "My-Slot" })).toEqual([
      "a slot's name has small letters, digits and _ only",
    ]);
  });
  test("one table needs no list", () =>
    expect(read({ tables: "orders" })).toMatchObject({ tables: ["orders"] }));
});

test("the slot of a source is the lake's own, whatever the source is called", () => {
  const settings = POSTGRES_SETTINGS.read({}, { path: [], issues: [] });
  const names = settings === undefined ? null : namesOf(settings, "Große-Shop!", "0A1B-2C3D-4E");
  expect(names).toEqual({ publication: "tarn_gro_e_shop_", slot: "tarn_gro_e_shop__0a1b2c3d" });
});
