/** Branches against main, and what references keep of a table's past. */

import { describe, expect, test } from "bun:test";
import { branchState, headOn, takenOver } from "../../../../core/table/branch.ts";
import { keptByRefs } from "../../../../core/table/kept-refs.ts";
import type { Snapshot, Table } from "../../../../core/table/types.ts";

const DAY_MS = 86_400_000;
const NOW_MS = 100 * DAY_MS;

/** `ids` as parents of each other, the first without one; each a day after the one before. */
function snapshots(...parents: readonly (readonly [number, number | null])[]): Snapshot[] {
  return parents.map(([id, parent]) => ({
    snapshotId: BigInt(id),
    parentId: parent === null ? null : BigInt(parent),
    sequenceNumber: BigInt(id),
    timestampMs: id * DAY_MS,
    manifestList: "",
    operation: "append",
    summary: {},
    schemaId: 0,
  }));
}

function table(list: readonly Snapshot[], main: number | null, branch: number): Table {
  const current = list.find(({ snapshotId }) => snapshotId === BigInt(main ?? -1)) ?? null;
  const refs = new Map([["b", { kind: "branch" as const, snapshotId: BigInt(branch) }]]);
  // parse: a branch asks for nothing else of a table
  return { name: "gold.t", snapshots: list, current, refs } as unknown as Table; // parse: see above
}

const numbers = (list: readonly Snapshot[]): number[] => list.map((one) => Number(one.snapshotId));

describe("a branch", () => {
  const list = snapshots([1, null], [2, 1], [3, 2], [4, 2], [5, 4]);

  test("that main is a part of can become main", () => {
    const state = branchState(table(list, 2, 5), "b");
    expect(state?.isForward).toBe(true);
    expect(numbers(state?.ahead ?? [])).toEqual([5, 4]);
    expect(numbers(state?.behind ?? [])).toEqual([]);
  });

  test("under which main went on cannot", () => {
    const state = branchState(table(list, 3, 5), "b");
    expect(state?.isForward).toBe(false);
    expect(state?.fork?.snapshotId).toBe(2n);
    expect(numbers(state?.behind ?? [])).toEqual([3]);
  });

  test("of a table that was empty can become main as long as it is", () => {
    const own = snapshots([4, null], [5, 4]);
    expect(branchState(table(own, null, 5), "b")?.isForward).toBe(true);
    expect(branchState(table([...own, ...snapshots([1, null])], 1, 5), "b")?.isForward).toBe(false);
  });

  test("that a table has not is what is current", () => {
    expect(headOn(table(list, 3, 5), "other")?.snapshotId).toBe(3n);
    expect(headOn(table(list, 3, 5), "b")?.snapshotId).toBe(5n);
    expect(headOn(table(list, 3, 5), null)?.snapshotId).toBe(3n);
  });
});

type Ref =
  Parameters<typeof keptByRefs>[0]["refs"] extends ReadonlyMap<string, infer R> ? R : never;

describe("references keep", () => {
  const list = snapshots([1, null], [2, 1], [3, 2], [4, 2], [5, 4], [6, 5]);
  const kept = (refs: Parameters<typeof keptByRefs>[0]["refs"]): number[] => {
    const found = keptByRefs({ snapshots: list, currentSnapshotId: 3n, refs }, NOW_MS).kept;
    return [...found].map(Number).sort((a, b) => a - b);
  };
  const main = ["main", { kind: "branch", snapshotId: 3n }] as const;

  test("of a branch the whole way from main", () => {
    expect(kept(new Map<string, Ref>([main, ["b", { kind: "branch", snapshotId: 6n }]]))).toEqual([
      2, 3, 4, 5, 6,
    ]);
  });

  test("of a branch as many and as young as it says", () => {
    const old = { kind: "branch", snapshotId: 6n, maxSnapshotAgeMs: DAY_MS } as const;
    expect(kept(new Map<string, Ref>([main, ["b", old]]))).toEqual([3, 6]);
    expect(kept(new Map<string, Ref>([main, ["b", { ...old, minSnapshotsToKeep: 2 }]]))).toEqual([
      3, 5, 6,
    ]);
  });

  test("of main as many as it says", () => {
    const said = { kind: "branch", snapshotId: 3n, minSnapshotsToKeep: 2 } as const;
    expect(kept(new Map([["main", said]]))).toEqual([2, 3]);
  });

  test("nothing once they are older than they may be, main aside", () => {
    const tag = { kind: "tag", snapshotId: 1n, maxRefAgeMs: 5 * DAY_MS } as const;
    const main1 = { kind: "branch", snapshotId: 3n, maxRefAgeMs: 1 } as const;
    const refs = new Map<string, Ref>([
      ["main", main1],
      ["t", tag],
    ]);
    const found = keptByRefs({ snapshots: list, currentSnapshotId: 3n, refs }, NOW_MS);
    expect(found.agedRefs).toEqual(["t"]);
    expect([...found.kept]).toEqual([3n]);
  });
});

describe("what main has taken over", () => {
  const such = (summary: Record<string, string>, one: Snapshot): Snapshot => ({ ...one, summary });
  const [a, b, c, d] = snapshots([1, null], [2, 1], [3, 2], [4, 3]);
  const took = (id: number) => ({ "source-snapshot-id": `${id}` });

  test("is no more what a restore took out", () => {
    if (a === undefined || b === undefined || c === undefined || d === undefined) return;
    const line = [such(took(70), a), such(took(80), b)].reverse();
    expect([...takenOver(line)]).toEqual(["80", "70"]);
    const back = such({ "tarn.restored-snapshot-id": "1" }, c);
    expect([...takenOver([back, ...line])]).toEqual(["70"]);
    expect([...takenOver([such(took(80), d), back, ...line])]).toEqual(["80", "70"]);
    const before = such({ "tarn.restored-snapshot-id": "none" }, c);
    expect([...takenOver([before, ...line])]).toEqual([]);
  });
});
