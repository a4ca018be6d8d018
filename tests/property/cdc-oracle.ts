/** A change feed by brute force: every change of every key applied one by one, in plain TypeScript. */

import type { Cdc } from "../../core/model/feed.ts";

export type Value = string | number | null;

/** One row of the feed; `place` is where it landed, from 0. */
export interface Change {
  readonly place: number;
  readonly id: number | null;
  readonly op: "u" | "d" | "t" | null;
  readonly s1: number | null;
  readonly s2: number | null;
  readonly v: Value;
  readonly w: Value;
}

export interface Version {
  readonly id: number;
  readonly v: Value;
  readonly w: Value;
  readonly start: string | null;
  readonly end: string | null;
}

type Rule = Pick<Cdc, "scd" | "ignoreNullUpdates" | "truncateWhen"> & {
  readonly parts: 1 | 2;
  readonly tracked: readonly ("v" | "w")[];
};

interface Row {
  readonly v: Value;
  readonly w: Value;
}

/** The table that the changes come to, ordered by key and start. */
export function tableOf(changes: readonly Change[], rule: Rule): Version[] {
  const ordered = inOrder(changes, rule);
  const ids = [...new Set(ordered.flatMap(({ id }) => (id === null ? [] : [id])))].sort(
    (a, b) => a - b,
  );
  return ids.flatMap((id) => {
    const own = ordered.filter((change) => change.id === id || empties(change, rule));
    return rule.scd === 1 ? current(id, own, rule) : versions(id, own, rule);
  });
}

/** Whether the row is one that can be applied. */
export function isSound(change: Change, rule: Rule): boolean {
  const { id, s1, s2 } = change;
  return s1 !== null && (rule.parts === 1 || s2 !== null) && (empties(change, rule) || id !== null);
}

function empties({ op }: Change, { truncateWhen }: Rule): boolean {
  return op === "t" && truncateWhen !== null;
}

function inOrder(changes: readonly Change[], rule: Rule): Change[] {
  const firstBySame = new Map<string, Change>();
  for (const change of changes) {
    if (!isSound(change, rule)) continue;
    const same = JSON.stringify({ ...change, place: 0 });
    if (!firstBySame.has(same)) firstBySame.set(same, change);
  }
  return [...firstBySame.values()].sort(
    (a, b) =>
      Number(a.s1) - Number(b.s1) ||
      (rule.parts === 1 ? 0 : Number(a.s2) - Number(b.s2)) ||
      a.place - b.place,
  );
}

function applied(row: Row | null, change: Change, rule: Rule): Row | null {
  if (change.op === "d" || empties(change, rule)) return null;
  if (!rule.ignoreNullUpdates || row === null) return { v: change.v, w: change.w };
  return { v: change.v ?? row.v, w: change.w ?? row.w };
}

function current(id: number, changes: readonly Change[], rule: Rule): Version[] {
  let row: Row | null = null;
  for (const change of changes) row = applied(row, change, rule);
  return row === null ? [] : [{ id, ...row, start: null, end: null }];
}

function versions(id: number, changes: readonly Change[], rule: Rule): Version[] {
  const found: Version[] = [];
  let row: Row | null = null;
  for (const [sequence, same] of Map.groupBy(changes, (change) => sequenceText(change, rule))) {
    const before: Row | null = row;
    for (const change of same) row = applied(row, change, rule);
    const open = found.at(-1);
    const isOpen = open !== undefined && open.end === null;
    const after: Row | null = row;
    if (isOpen && before !== null && after !== null) {
      const isOther = rule.tracked.some((name) => before[name] !== after[name]);
      found[found.length - 1] = isOther ? { ...open, end: sequence } : { ...open, ...after };
      if (isOther) found.push({ id, ...after, start: sequence, end: null });
    } else if (isOpen) found[found.length - 1] = { ...open, end: sequence };
    else if (after !== null) found.push({ id, ...after, start: sequence, end: null });
  }
  return found;
}

function sequenceText({ s1, s2 }: Change, { parts }: Rule): string {
  return parts === 1 ? String(s1) : `${s1}/${s2}`;
}
