/** What must hold of a lake that reads streams: what its positions say is in it, once, and nothing else. */

import { must } from "../../core/base/assert.ts";
import { compareCodePoints } from "../../core/base/order.ts";
import { pausedName, positionName, positionOf } from "../../core/ingest/stream.ts";
import { cursorFromText } from "../../core/model/cursor.ts";
import type { Table, TableName } from "../../core/table/types.ts";
import { UNCHANGED } from "../support/segment-file.ts";
import type { FileRow } from "./row-reader.ts";
import type { Expect, LakeView } from "./scenario.ts";
import {
  lsn,
  SHOP_BEGIN,
  SHOP_TABLES,
  type ShopPosition,
  type ShopRow,
  type ShopTable,
  shopPosition,
  shopRows,
} from "./shop-feed.ts";
import {
  BODIES,
  LINES,
  LOADS,
  LOG_SOURCE,
  loadRows,
  PAUSED_LINES,
  PUSHED,
  SHOP,
  type StreamsMemory,
  type StreamsScenario,
} from "./streams-scenario.ts";

export async function checkStreams(
  scenario: StreamsScenario,
  memory: StreamsMemory,
  view: LakeView,
  complete: boolean,
  expect: Expect,
): Promise<void> {
  await checkAccounts(scenario, view, expect);
  await checkShop(scenario, memory, view, complete, expect);
  await checkLog(view, complete, expect);
  await checkPushed(memory, view, complete, expect);
  await checkVersions(view, complete, expect);
  for (const [table, models] of Object.entries(MODELS_OF)) {
    for (const model of models) await checkModel(view, table, model, complete, expect);
  }
}

const MODELS_OF: Readonly<Record<string, readonly TableName[]>> = {
  "bronze.shop_customers": ["silver.customers", "silver.customer_versions"],
  "bronze.shop_orders": ["silver.orders"],
};

/** I10: what came in came out, and the ledger says what is in the tables. */
async function checkAccounts({ sourceByTable }: StreamsScenario, view: LakeView, expect: Expect) {
  const { catalog, rowsAt } = view;
  for (const [name, source] of sourceByTable) {
    const batches = await catalog.ledger.batches({ source });
    const newest =
      batches
        .map(({ batch }) => batch)
        .sort(compareCodePoints)
        .at(-1) ?? null;
    const offset = await catalog.fact("offset", `files:${source}`);
    expect(`the offset of ${source} is ${offset}, its newest batch ${newest}`, offset === newest);
    for (const one of batches) {
      const out = one.rowsLanded + one.rowsQuarantined + one.rowsDuplicate;
      expect(`${one.batch} of ${source}: ${one.rowsIn} in, ${out} out`, one.rowsIn === out);
    }
    const table = await catalog.load(name);
    if (table === null) continue;
    const rows = await rowsAt(table, table.current?.snapshotId ?? null);
    const landed = new Map(batches.map(({ batch, rowsLanded }) => [batch, rowsLanded]));
    const there = Map.groupBy(rows, (row) => String(row._batch));
    for (const [batch, of] of there) {
      expect(`${name}: ${of.length} rows of ${batch}`, of.length === landed.get(batch));
    }
  }
}

/** I1-I6: exactly what is up to the position, both tables at once; the server has forgotten nothing beyond it. */
async function checkShop(
  scenario: StreamsScenario,
  { confirmed }: StreamsMemory,
  view: LakeView,
  complete: boolean,
  expect: Expect,
) {
  const { catalog } = view;
  const { position: text } = positionOf(await catalog.fact("offset", positionName(SHOP)));
  const position = text === null ? null : shopPosition(text);
  const last = must(scenario.log.at(-1), "there are transactions").at;
  expect(
    `${confirmed} was confirmed and ${position?.at} committed`,
    confirmed <= (position?.at ?? 0),
  );
  if (complete) expect(`the shop was read to ${position?.at}`, (position?.at ?? 0) === last);
  for (const name of SHOP_TABLES) {
    const table = await catalog.load(`bronze.shop_${name}`);
    const found = await feedOf(view, table);
    const wanted = position === null ? [] : wantedFeed(scenario, name, position);
    const same = JSON.stringify(found.sort()) === JSON.stringify(wanted.sort());
    expect(`${name} at ${text}: ${difference(found, wanted)}`, same);
  }
}

async function feedOf(view: LakeView, table: Table | null): Promise<string[]> {
  if (table === null) return [];
  const rows = await view.rowsAt(table, table.current?.snapshotId ?? null);
  return rows.map((row) => feedLine(String(row._position).split("-")[0] ?? "", row));
}

function feedLine(at: string, { _op, id, name, note, _before, _unchanged }: FileRow): string {
  const before = (_before as { id?: number } | null)?.id ?? null; // parse: a struct of the key, or NULL
  return JSON.stringify([
    at,
    _op,
    id ?? null,
    name ?? null,
    note ?? null,
    before,
    _unchanged ?? null,
  ]);
}

function wantedFeed(scenario: StreamsScenario, table: ShopTable, position: ShopPosition): string[] {
  const { first, log } = scenario;
  const read = (point: number): string[] => {
    const rows = [...shopRows(first, log, table, point).values()];
    return rows.map((row) => line(point, "r", row, null));
  };
  const changes = log.filter(({ at }) => at <= position.at);
  return [
    ...read(SHOP_BEGIN),
    ...changes.flatMap(({ at, changes: all }) =>
      all.flatMap((change) => {
        if (change.table !== table) return [];
        if (change.op === "t") return [line(at, "t", null, null)];
        if (change.op === "d")
          return [line(at, "d", { id: change.id, name: null, note: null }, change.id)];
        return [line(at, change.op, change.row, change.op === "u" ? change.oldId : null)];
      }),
    ),
    ...position.again.flatMap(([name, point]) =>
      name === table ? [line(point, "t", null, null), ...read(point)] : [],
    ),
  ];
}

function line(
  at: number,
  op: string,
  row: { id: number; name: string | null; note: ShopRow["note"] } | null,
  before: number | null,
): string {
  const isUnchanged = row?.note === UNCHANGED;
  return feedLine(lsn(at), {
    _op: op,
    id: row?.id ?? null,
    name: row?.name ?? null,
    note: isUnchanged ? null : (row?.note ?? null),
    _before: before === null ? null : { id: before },
    _unchanged: isUnchanged ? ["note"] : null,
  });
}

/** Each line once, without a hole. */
async function checkLog({ catalog, rowsAt }: LakeView, complete: boolean, expect: Expect) {
  const table = await catalog.load("bronze.app");
  const rows = table === null ? [] : await rowsAt(table, table.current?.snapshotId ?? null);
  const numbers = rows.map((row) => Number(row.n)).sort((a, b) => a - b);
  expect(
    `lines of the log: ${numbers}`,
    numbers.every((n, index) => n === index),
  );
  if (complete) expect(`${numbers.length} lines of ${LINES}`, numbers.length === LINES);
  const isPaused = (await catalog.fact("setting", pausedName(LOG_SOURCE))) !== null;
  if (isPaused) expect(`${numbers.length} lines of a paused log`, numbers.length === PAUSED_LINES);
}

/** What its sender was told has landed is there; each body once. */
async function checkPushed(
  { acknowledged }: StreamsMemory,
  { catalog, rowsAt }: LakeView,
  complete: boolean,
  expect: Expect,
) {
  const table = await catalog.load(`bronze.${PUSHED}`);
  const rows = table === null ? [] : await rowsAt(table, table.current?.snapshotId ?? null);
  const found = rows.map((row) => String(row.n));
  const aside = await catalog.load(`bronze_quarantine.${PUSHED}`);
  const set = aside === null ? [] : await rowsAt(aside, aside.current?.snapshotId ?? null);
  expect(`a body twice: ${found}`, new Set(found).size === found.length && set.length <= 1);
  const isIn = (key: string): boolean =>
    key === "bad" ? set.length === 1 : found.includes(numberOf(key));
  for (const key of complete ? BODIES.keys() : acknowledged) {
    expect(`the body ${key} is not in the lake`, isIn(key));
  }
}

function numberOf(key: string): string {
  return String(JSON.parse(BODIES.get(key) ?? "{}").n);
}

/** I7: the table is what its feed comes to, as of the snapshot that the model has read. */
async function checkModel(
  { catalog, rowsAt }: LakeView,
  input: TableName,
  name: TableName,
  complete: boolean,
  expect: Expect,
) {
  const [table, feed] = [await catalog.load(name), await catalog.load(input)];
  const cursor = cursorFromText(await catalog.fact("cursor", name));
  expect(`${name}: a table without a cursor`, (table === null) === (cursor === null));
  if (table === null || cursor === null || feed === null) {
    expect(`${name} is missing`, !complete);
    return;
  }
  const read = cursor.inputs.get(input)?.snapshotId ?? null;
  if (complete) expect(`${name} is behind`, read === (feed.current?.snapshotId ?? null));
  const rows = await rowsAt(table, table.current?.snapshotId ?? null);
  const isHistory = name === "silver.customer_versions";
  const found = rows.map((row) => version(row, isHistory));
  const wanted = versionsOf(await rowsAt(feed, read), isHistory);
  const same = JSON.stringify(found.sort()) === JSON.stringify(wanted.sort());
  expect(`${name}: ${difference(found, wanted)}`, same);
}

function version(row: FileRow, isHistory: boolean): string {
  const { id, name, note, __START_AT: from, __END_AT: to } = row;
  return JSON.stringify([id, name, note ?? null, ...(isHistory ? [from, to ?? null] : [])]);
}

interface Version {
  readonly id: unknown;
  readonly name: unknown;
  readonly note: unknown;
  readonly __START_AT: string;
  readonly __END_AT: string | null;
}

/** By brute force: the changes one by one. */
function versionsOf(feed: readonly FileRow[], isHistory: boolean): string[] {
  const open = new Map<unknown, Version>();
  const over: Version[] = [];
  const end = (id: unknown, at: string): void => {
    const last = open.get(id);
    if (last !== undefined) over.push({ ...last, __END_AT: at });
    open.delete(id);
  };
  const inOrder = [...feed].sort((a, b) =>
    compareCodePoints(String(a._position), String(b._position)),
  );
  for (const { _op, _position, _before, _unchanged, id, name, note } of inOrder) {
    const at = String(_position);
    const old = (_before as { id?: number } | null)?.id ?? id; // parse: a struct of the key, or NULL
    const before = open.get(old);
    if (_op === "t" && isHistory) continue;
    if (_op === "t") for (const each of [...open.keys()]) end(each, at);
    else if (_op === "d") end(id, at);
    else {
      const isSent = (_unchanged as string[] | null)?.includes("note") !== true; // parse: a list of names, or NULL
      const value = isSent ? (note ?? null) : (before?.note ?? null);
      if (before !== undefined && old === id && before.name === name && before.note === value)
        continue;
      if (old !== id) end(old, at);
      end(id, at);
      open.set(id, { id, name, note: value, __START_AT: at, __END_AT: null });
    }
  }
  const all = isHistory ? [...over, ...open.values()] : [...open.values()];
  return all.map((one) => version({ ...one }, isHistory));
}

/** Full loads: what the last load that was read has is what holds; every change and every end is a version. */
async function checkVersions({ catalog, rowsAt }: LakeView, complete: boolean, expect: Expect) {
  const table = await catalog.load("silver.stock");
  if (table === null) {
    expect("silver.stock is missing", !complete);
    return;
  }
  const rows = await rowsAt(table, table.current?.snapshotId ?? null);
  const holds = rows.filter((row) => (row.__END_AT ?? null) === null);
  const cursor = cursorFromText(await catalog.fact("cursor", "silver.stock"));
  const feed = must(await catalog.load(`bronze.${LOADS}`), "it has an input");
  const read = await rowsAt(feed, cursor?.inputs.get(`bronze.${LOADS}`)?.snapshotId ?? null);
  const last = Math.max(...read.map((row) => Number(row.load)));
  const wanted = loadRows(last).map(([sku, n]) => JSON.stringify([sku, String(n)]));
  const found = holds.map((row) => JSON.stringify([row.sku, String(row.n)]));
  expect(
    `stock: ${difference(found, wanted)}`,
    JSON.stringify(found.sort()) === JSON.stringify(wanted.sort()),
  );
  const ended = { 1: 0, 2: 1, 3: 3 }[last] ?? -1;
  expect(`stock: ${rows.length} versions`, rows.length === wanted.length + ended);
}

function difference(found: readonly string[], wanted: readonly string[]): string {
  const surplus = found.filter((one) => !wanted.includes(one));
  const missing = wanted.filter((one) => !found.includes(one));
  return `${found.length} rows, ${wanted.length} wanted; surplus ${surplus}; missing ${missing}`;
}
