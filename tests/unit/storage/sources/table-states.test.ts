/** Tables that are read and those that wait: what a position says of them. */

import { expect, test } from "bun:test";
import type { Random } from "../../../../core/ports.ts";
import { realDisk } from "../../../../storage/disk/durable.ts";
import { TableStates } from "../../../../storage/sources/table-states.ts";

const TABLE = { schema: "public", table: "t", oid: 7, member: "1" };
const KNOWN = { "public.t": { oid: 7, member: "1", at: 5n } };
const random = { uuid: () => "id" } as Random;

function states(known: ConstructorParameters<typeof TableStates>[0]): TableStates {
  return new TableStates(known, { disk: realDisk, random, folder: "/nowhere" });
}

test("a table that is read again is so after a reader that died too: its rows take the place of those before", () => {
  const first = states({ "public.t": { oid: 7, member: "", at: 5n } });
  expect(first.plan([TABLE], () => false).read).toMatchObject([{ replaces: true }]);
  first.hold("public.t");
  const second = states(first.known);
  expect(second.plan([TABLE], () => false).read).toMatchObject([{ replaces: true }]);
});

test("a table that was stopped is neither read on nor read again, until it is marked", () => {
  const tables = states(KNOWN);
  expect(tables.stop("public.t", "why", 9n)).toBe(true);
  expect(tables.stop("public.t", "again", 9n)).toBe(false);
  const shape = { shape: 1, ...TABLE, columns: [], identity: "default" } as const;
  expect(tables.isLive(shape, 10n)).toBe(false);
  expect(tables.plan([TABLE], () => false).read).toEqual([]);
  const [marked] = Object.values(tables.known).map((known) => ({ ...known, member: "" }));
  const later = states(marked === undefined ? {} : { "public.t": marked });
  expect(later.plan([TABLE], () => false).read).toMatchObject([{ replaces: true }]);
  later.hold("public.t");
  later.take(TABLE, 20n);
  expect(later.isLive(shape, 21n)).toBe(true);
});

test("what is not in the log while a table is read stops it only where its rows do not have it", () => {
  for (const [lsn, isStopped] of [
    [8n, false],
    [12n, true],
  ] as const) {
    const tables = states({});
    tables.hold("public.t");
    tables.readAt(["public.t"], 10n);
    tables.stop("public.t", "why", lsn);
    tables.take(TABLE, 10n);
    expect(tables.known["public.t"]?.stopped !== undefined).toBe(isStopped);
  }
});

test("changes that do not come are missing only from rows that were read as of before them", () => {
  expect(states({}).misses(10n)).toBe(false);
  const held = states({});
  held.hold("public.t");
  expect(held.misses(10n)).toBe(false);
  held.readAt(["public.t"], 10n);
  expect([held.misses(10n), held.misses(11n)]).toEqual([false, true]);
  held.take(TABLE, 10n);
  expect([held.misses(10n), held.misses(11n)]).toEqual([false, true]);
  held.stop("public.t", "why", 20n);
  expect(held.misses(30n)).toBe(false);
  const again = states(KNOWN);
  again.hold("public.t");
  expect([again.misses(9n), states(KNOWN).misses(9n)]).toEqual([false, true]);
});
