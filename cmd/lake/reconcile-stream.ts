/** A stream's tables where they are read against what was delivered of them, as of one position of both. */

import { LakeError } from "../../core/base/errors.ts";
import { compareSides, type Side } from "../../core/ingest/compare.ts";
import { isFeedColumn, RECORD } from "../../core/ingest/feed.ts";
import type { CountAsk, Counted, CountedTable } from "../../core/ingest/reconcile.ts";
import type { Reconciliation } from "../../core/ingest/reconciliation.ts";
import { positionName, positionOf, tableSource } from "../../core/ingest/stream.ts";
import { isHidden } from "../../core/table/system-columns.ts";
import type { TableName } from "../../core/table/types.ts";
import { isEngineRunning } from "../../storage/disk/lease.ts";
import { systemClock, systemRandom } from "../clock.ts";
import { type OpenFlags, openSession, type Session } from "../open.ts";
import { buildOf } from "./build.ts";
import { DeliveredRecords, firstOffsets } from "./delivered-records.ts";
import { DeliveredRows } from "./delivered-rows.ts";
import { kindOf } from "./sources.ts";

/** `up` moves the position on by itself at every heartbeat, a minute unless said. */
const WAIT_MS = 180_000;
const LOOK_MS = 250;
const ATTEMPTS = 2;

export interface LeftOut {
  readonly source: string;
  readonly table: string;
  readonly why: string;
}

export interface ReconciledStream {
  readonly found: readonly Reconciliation[];
  readonly leftOut: readonly LeftOut[];
}

export async function reconcileStream(
  flags: OpenFlags,
  name: string,
  signal: AbortSignal,
): Promise<ReconciledStream> {
  await using session = await openSession(flags, { engine: null });
  const stream = session.config.streams.find((one) => one.name === name);
  if (stream === undefined) return { found: [], leftOut: [] };
  const kind = await kindOf(stream);
  const landed = await session.catalog.ledger.sources();
  const prefix = `${name}.`;
  const tables = new Map(
    landed
      .filter(({ source }) => source.startsWith(prefix))
      .map(({ source, table }) => [source.slice(prefix.length), table] as const),
  );
  const asks: CountAsk[] = [];
  for (const [table, into] of tables) {
    const taken = Object.keys(kind.table(stream, table).beforeLanding);
    const ask = await askOf(session, name, table, into);
    // A value that was made of another one is equal to none.
    const columns = ask.columns.filter((column) => !taken.includes(column.name));
    asks.push({ ...ask, columns });
  }
  const { position } = positionOf(await session.catalog.fact("offset", positionName(name)));
  const counted = await kind.count(stream, asks, {
    projectRoot: session.root,
    secretOf: session.secretOf,
    clock: systemClock,
    random: systemRandom,
    from: position,
    isRead: isEngineRunning(session.warehouse),
  });
  if (counted === null) {
    const why = `a source of kind: ${stream.kind} says no counts; the ledger's account is compared`;
    return { found: [], leftOut: [{ source: name, table: "what is there", why }] };
  }
  try {
    await landUntil(flags, session, name, counted, signal);
    await using now = await openSession(flags, { engine: null });
    const found: Reconciliation[] = [];
    for (const table of counted.tables) {
      const into = tables.get(table.table) ?? "";
      const from = { table: into, snapshotId: null, until: counted.until, isFeed: true };
      const here =
        table.offsets === undefined
          ? await DeliveredRows.of(now, from, table)
          : new DeliveredRecords(now, { ...from, source: tableSource(name, table.table) }, table);
      const compared = await compareSides(table, sideOf(counted, table), here);
      found.push({
        source: tableSource(name, table.table),
        table: into,
        against: "source",
        atMs: systemClock.nowMs(),
        position: table.cursor?.until ?? counted.at,
        uncompared: table.uncompared,
        ...compared,
      });
    }
    const leftOut = counted.leftOut.map((one) => ({ source: name, ...one }));
    return { found, leftOut };
  } finally {
    await counted.close();
  }
}

function sideOf(counted: Counted, table: CountedTable): Side {
  return {
    sums: async () => table.sums,
    rowsOf: (window) => counted.rowsOf(table, window),
    valuesOf: (window, keys) => counted.valuesOf(table, window, keys),
  };
}

/** A table with its columns as they have landed. */
async function askOf(
  session: Session,
  stream: string,
  table: string,
  into: TableName,
): Promise<CountAsk> {
  const contract = await session.catalog.ledger.contract(tableSource(stream, table));
  const loaded = await session.catalog.load(into);
  const types = new Map(loaded?.schema.fields.map(({ name, type }) => [name, type]));
  const columns = (contract?.columns ?? []).flatMap(({ name, source }) => {
    const type = types.get(name);
    if (type === undefined || isHidden(name) || isFeedColumn(name)) return [];
    return [{ name: source, here: name, type }];
  });
  const isOfRecords = types.has(RECORD.partition) && types.has(RECORD.offset);
  if (!isOfRecords) return { table, columns };
  const from = { table: into, snapshotId: null, source: tableSource(stream, table) };
  return { table, columns, first: await firstOffsets(session, from) };
}

/** All that was counted is in the lake: a running engine is waited for, else it lands here. */
async function landUntil(
  flags: OpenFlags,
  session: Session,
  name: string,
  counted: Counted,
  signal: AbortSignal,
): Promise<void> {
  const isReached = async (): Promise<boolean> => {
    const fact = await session.catalog.fact("offset", positionName(name));
    return counted.isReached(positionOf(fact).position);
  };
  if (!isEngineRunning(session.warehouse)) {
    // What another had begun to read ends first, and is as of before.
    for (let attempt = 0; attempt < ATTEMPTS && !(await isReached()); attempt++) {
      await landOnce(flags, name, signal);
    }
    return;
  }
  const endMs = systemClock.nowMs() + (counted.waitMs ?? WAIT_MS);
  for (;;) {
    if (await isReached()) return;
    if (systemClock.nowMs() > endMs || signal.aborted) {
      throw new LakeError("io", `${name} was not read to ${counted.at} in time`, {
        hint: "look at how far it is behind: tarn status",
      });
    }
    await systemClock.sleep(LOOK_MS, signal);
  }
}

async function landOnce(flags: OpenFlags, name: string, signal: AbortSignal): Promise<void> {
  await using writer = await openSession(flags, { engine: "tarn reconcile" });
  const request = { select: [], exclude: [], full: false, models: false, sources: true };
  let failure: LakeError | null = null;
  await buildOf(writer, request, {
    signal,
    onEvent: (event) => {
      if (event.event === "land-failed" && event.source === name) failure = event.error;
    },
  });
  if (failure !== null) throw failure;
}
