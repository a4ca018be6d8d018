/**
 * Transactions that are prepared, tables that are read while others change, and spools on disk, through a power cut and
 * through a failing operation at each place of a simulated disk: each row lands once, and nothing is left behind.
 */

import { expect, test } from "bun:test";
import { mkdirSync } from "node:fs";
import { FEED } from "../../core/ingest/feed.ts";
import { exactText } from "../../sql/decode/lossless/exact-value.ts";
import { saidTargets } from "../../sql/decode/made/targets.ts";
import { feedRows } from "../../sql/decode/segment/feed-rows.ts";
import { planTable } from "../../sql/decode/segment/table-plan.ts";
import { Durable } from "../../storage/disk/durable.ts";
import { parsePosition } from "../../storage/sources/mysql/position.ts";
import type { NamedRow } from "../support/binlog-events.ts";
import { tempFolder } from "../support/temp-folder.ts";
import { SimDisk } from "./disk.ts";
import {
  folderOn,
  HELD_TABLES,
  HeldLog,
  type HeldRows,
  type HeldServer,
  rowsAt,
} from "./held-log.ts";
import { random } from "./torn.ts";
import { SimRandom } from "./world.ts";

const SEED = Number(process.env.TARN_SEED);
const TIMEOUT_MS = 180_000;
const LIVES_MAX = 4;
/** A segment for each transaction, or nearly. */
const LIMITS = { bytes: 400, lingerMs: 20 };

const SERVER: HeldServer = {
  readAt: 30n,
  there: {
    orders: [[1, "ada"]],
    lines: [
      [1, null],
      [2, "bob"],
    ],
  },
  log: [
    { kind: "commit", at: 10n, rows: both(100) },
    { kind: "prepare", at: 20n, xid: "early", rows: both(200) },
    {
      kind: "prepare",
      at: 40n,
      xid: "late",
      rows: [
        ["orders", many(400, 30)],
        ["lines", many(401, 1)],
      ],
    },
    { kind: "commit", at: 50n, rows: both(500) },
    { kind: "decide", at: 60n, xid: "early", isCommit: true },
    { kind: "prepare", at: 70n, xid: "back", rows: both(700) },
    { kind: "prepare", at: 80n, xid: "empty", rows: [] },
    { kind: "decide", at: 90n, xid: "empty", isCommit: true },
    { kind: "decide", at: 100n, xid: "late", isCommit: true },
    { kind: "decide", at: 110n, xid: "back", isCommit: false },
    { kind: "commit", at: 120n, rows: [["lines", many(1_200, 40)]] },
    { kind: "commit", at: 130n, rows: long(1_300, 14) },
  ],
};

/** What is committed: a position, and the rows that came before it. */
interface Lake {
  position: string | null;
  readonly rows: LandedRow[];
  /** Transactions that came in several segments. */
  together: number;
}

interface LandedRow {
  readonly table: string;
  readonly op: string;
  readonly position: string;
  /** Its values. */
  readonly value: string;
}

const WHOLE = HELD_TABLES.map((table) => [
  table,
  rowsAt(SERVER, table, 1_000n).map(([id, name]) => `${id} ${name}`),
]);

test("without a fault each row lands once, as of when its transaction was decided", async () => {
  await using folder = await tempFolder();
  const { rows, state, left, together } = await lived(folder.path, {});
  expect([state, left, together]).toEqual([WHOLE, [], 1]);
  const late = rows.filter(({ position }) => /^0*64-/.test(position));
  expect([late.length, late.at(-1)?.table]).toEqual([31, "lines"]);
});

test(
  "a power cut before any operation, and another one behind it, lose and double nothing",
  async () => {
    await using folder = await tempFolder();
    const { operations } = await lived(`${folder.path}/whole`, {});
    const chance = random(SEED);
    for (let at = 0; at < operations; at++) {
      const second = Math.floor(chance() * operations);
      const cuts = chance() < 0.5 ? [at] : [at, second];
      const { state, left } = await lived(`${folder.path}/${at}`, { cuts });
      expect([at, state, left]).toEqual([at, WHOLE, []]);
    }
  },
  TIMEOUT_MS,
);

test(
  "an operation that fails ends the reader, and the next one goes on",
  async () => {
    await using folder = await tempFolder();
    const { operations } = await lived(`${folder.path}/whole`, {});
    for (let at = 0; at < operations; at++) {
      const { state } = await lived(`${folder.path}/${at}`, { fails: at });
      expect([at, state]).toEqual([at, WHOLE]);
    }
  },
  TIMEOUT_MS,
);

/** What the tables hold, by what has landed of them: each row as often as it did since they were emptied last. */
function stateOf(rows: readonly LandedRow[]) {
  return HELD_TABLES.map((table) => {
    const own = rows.filter((row) => row.table === table).toSorted(byPosition);
    const since = own.slice(own.findLastIndex(({ op }) => op === "t") + 1);
    return [table, since.map(({ value }) => value)];
  });
}

function byPosition(a: LandedRow, b: LandedRow): number {
  return a.position < b.position ? -1 : a.position > b.position ? 1 : 0;
}

/** Reads all, in as many lives as it takes: the first ends before operation `cuts[0]`, and so on. */
async function lived(
  root: string,
  { cuts = [], fails }: { readonly cuts?: readonly number[]; readonly fails?: number },
) {
  mkdirSync(root, { recursive: true });
  const lake: Lake = { position: null, rows: [], together: 0 };
  const chance = new SimRandom(SEED);
  let disk = new SimDisk({ root });
  let operations = 0;
  for (let life = 0; life < LIVES_MAX; life++) {
    const cut = cuts[life];
    disk.before = (_, index) => {
      if (index === cut) disk.powerOff();
      if (life === 0 && index === fails)
        throw Object.assign(new Error("it failed"), { code: "EIO" });
    };
    const wasFine = await live(disk, lake, chance).then(
      () => true,
      (thrown: unknown) => {
        if (disk.dead || (life === 0 && fails !== undefined)) return false;
        throw thrown;
      },
    );
    operations = disk.log.length;
    if (wasFine && !disk.dead) break;
    if (disk.dead) await disk.crash(Math.floor(chance.fraction() * 2 ** 31));
    disk = disk.restart();
  }
  const left = await disk.entries(folderOn(disk));
  return {
    rows: lake.rows,
    together: lake.together,
    state: stateOf(lake.rows),
    operations,
    left: left.map(({ name }) => name),
  };
}

/** One reader, until all is in the lake. */
async function live(disk: SimDisk, lake: Lake, chance: SimRandom): Promise<void> {
  const log = await HeldLog.open(SERVER, lake.position, disk, chance);
  const { stream } = log;
  try {
    while (!isWhole(lake.position)) {
      const segment = await stream.next(LIMITS);
      if (segment === null) throw new Error("the stream ended");
      const { file, earlier = [], to } = segment;
      const files = [...earlier, ...(file === null ? [] : [file])];
      const kept: LandedRow[] = [];
      for (const { rows, ...one } of files) {
        const path = await keep(disk, one);
        for (const table of Object.keys(rows)) kept.push(...told(path, table));
      }
      // One commit: all of it or nothing.
      if (earlier.length > 0) lake.together += 1;
      lake.rows.push(...kept);
      lake.position = to;
      for (const { path } of files) await disk.unlink(path);
      log.acknowledge(to);
    }
  } finally {
    await stream.close();
  }
}

/** True for a position behind all, at which each table is read. */
function isWhole(position: string | null): boolean {
  if (position === null) return false;
  const { lsn, pending, tables } = parsePosition(position);
  const isRead = HELD_TABLES.every((table) => tables[`shop.${table}`]?.member === "1");
  return lsn === SERVER.log.at(-1)?.at && pending.length === 0 && isRead;
}

/** Makes an original of a segment, as a lake does before it commits what is in it. */
async function keep(disk: SimDisk, { path, sha256 }: { path: string; sha256: string }) {
  const folder = `${disk.root}/originals/${sha256.slice(0, 2)}`;
  const original = `${folder}/${sha256}`;
  const durable = new Durable(disk, disk.root);
  await durable.ensureFolders([folder]);
  if (path !== original && (await disk.stat(original)) === null) await disk.link(path, original);
  await durable.syncFolders([folder]);
  if (!disk.isDurable(original)) throw new Error(`${path} was not synced`);
  return original;
}

function told(path: string, name: string): readonly LandedRow[] {
  const plan = planTable(path, name);
  const names = plan.columns.map((column) => column.name);
  const types = new Map(plan.columns.map((column) => [column.name, column.type]));
  const at = [FEED.position, FEED.op, "id", "name"].map((column) => names.indexOf(column));
  return [...feedRows(path, plan, saidTargets(types))].flatMap(({ rows }) =>
    rows.map(({ values, fault }) => {
      if (fault !== null) throw new Error(fault.message);
      const [position, op, id, text] = at.map((index) => exactText(values[index] ?? null));
      const table = name.slice("shop.".length);
      return { table, op: `${op}`, position: `${position}`, value: `${id} ${text}` };
    }),
  );
}

function both(first: number): HeldRows {
  return [
    ["orders", many(first, 2)],
    ["lines", many(first, 3)],
    ["orders", many(first + 10, 1)],
  ];
}

function many(first: number, count: number): readonly NamedRow[] {
  return Array.from({ length: count }, (_, at) => [first + at, `n${at}`] as const);
}

/** An event for each row, in turns of both tables. */
function long(first: number, count: number): HeldRows {
  return Array.from({ length: count }, (_, at) => {
    const row: NamedRow = [first + at, `${at}`.repeat(60)];
    return [at % 2 === 0 ? "orders" : "lines", [row]] as const;
  });
}
