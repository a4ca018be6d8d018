/** Whether what was delivered of a source has the keys that the source has, at one position of both. */

import { LakeError } from "../../core/base/errors.ts";
import {
  type Counted,
  type CountedTable,
  differences,
  type WindowSum,
  windowText,
} from "../../core/ingest/reconcile.ts";
import { positionName, positionOf, tableSource } from "../../core/ingest/stream.ts";
import type { TableName } from "../../core/table/types.ts";
import { quoteIdentifier, quoteLiteral, quoteQualified } from "../../sql/syntax/quote.ts";
import { isEngineRunning } from "../../storage/disk/lease.ts";
import { systemClock, systemRandom } from "../clock.ts";
import { type OpenFlags, openSession, type Session } from "../open.ts";
import { buildOf } from "./build.ts";
import { lakeRows } from "./query.ts";
import { kindOf } from "./sources.ts";

export interface ReconciledTable {
  readonly source: string;
  readonly table: TableName;
  readonly keys: number;
  readonly windows: readonly {
    readonly window: string;
    readonly thereKeys: number;
    readonly hereKeys: number;
    /** Some of the keys that only one of both has. */
    readonly missing: readonly string[];
    readonly extra: readonly string[];
  }[];
  /** Keys that differ, of all. */
  readonly share: number;
}

export interface Reconciled {
  readonly at: string;
  readonly tables: readonly ReconciledTable[];
  readonly leftOut: Counted["leftOut"];
}

/** Windows whose keys are looked at one by one, and keys that are told of each. */
const WINDOWS_MAX = 20;
const KEYS_TOLD_MAX = 5;
/** `up` moves the position on by itself at every heartbeat, a minute unless said. */
const WAIT_MS = 180_000;
const LOOK_MS = 250;

/** Throws `not-found`, `unsupported` for a kind that cannot, and what its source throws. */
export async function reconcileOf(
  flags: OpenFlags,
  name: string,
  signal: AbortSignal,
): Promise<Reconciled> {
  await using session = await openSession(flags, { engine: null });
  const stream = session.config.streams.find((one) => one.name === name);
  if (stream === undefined) {
    throw new LakeError("not-found", `there is no stream "${name}"`, { hint: "tarn source ls" });
  }
  const kind = await kindOf(stream);
  const landed = await session.catalog.ledger.sources();
  const own = new Map(
    landed
      .filter(({ source }) => source.startsWith(`${name}.`))
      .map(({ source, table }) => [source.slice(name.length + 1), table] as const),
  );
  const world = {
    projectRoot: session.root,
    secretOf: session.secretOf,
    clock: systemClock,
    random: systemRandom,
  };
  const counted = await kind.count(stream, [...own.keys()], world);
  if (counted === null) {
    throw new LakeError("unsupported", `a source of kind ${kind.word} cannot be counted`, {
      hint: "reconcile knows sources of kind postgres",
    });
  }
  try {
    await landUntil(flags, session, name, counted, signal);
    await using now = await openSession(flags, { engine: null });
    const tables: ReconciledTable[] = [];
    for (const table of counted.tables) {
      const into = own.get(table.table) ?? "";
      tables.push(await compared(now, tableSource(name, table.table), into, table, counted));
    }
    return { at: counted.at, tables, leftOut: counted.leftOut };
  } finally {
    await counted.close();
  }
}

/** All that was counted is in the lake: a running engine is waited for, else it lands here. */
async function landUntil(
  flags: OpenFlags,
  session: Session,
  name: string,
  counted: Counted,
  signal: AbortSignal,
): Promise<void> {
  if (!isEngineRunning(session.warehouse)) {
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
    return;
  }
  const endMs = systemClock.nowMs() + WAIT_MS;
  for (;;) {
    const fact = await session.catalog.fact("offset", positionName(name));
    const { position } = positionOf(fact);
    if (position !== null && counted.isReached(position)) return;
    if (systemClock.nowMs() > endMs || signal.aborted) {
      throw new LakeError("io", `${name} was not read to ${counted.at} in time`, {
        hint: "look at how far it is behind: tarn status",
      });
    }
    await systemClock.sleep(LOOK_MS, signal);
  }
}

async function compared(
  session: Session,
  source: string,
  into: TableName,
  table: CountedTable,
  counted: Counted,
): Promise<ReconciledTable> {
  const keys = keysSql(into, table, counted.until);
  const rows = await lakeRows(
    session,
    `with keys as (${keys}) select w, count(*)::varchar as n,
      sum(('0x' || substr(md5(k), 1, 15))::bigint)::varchar as s from keys group by w`,
  );
  const here = rows.map(
    ({ w, n, s }): WindowSum => ({ window: String(w), keys: Number(n), sum: String(s) }),
  );
  const windows: ReconciledTable["windows"][number][] = [];
  let differing = 0;
  const found = differences(table.sums, here);
  for (const { window, thereKeys, hereKeys } of found) {
    const sql = `with keys as (${keys}) select k from keys where w = ${quoteLiteral(window)}`;
    const isShown = windows.length < WINDOWS_MAX;
    const there = new Set(isShown ? await counted.keysOf(table, window) : []);
    const mine = new Set(isShown ? (await lakeRows(session, sql)).map(({ k }) => String(k)) : []);
    const missing = [...there.difference(mine)];
    const extra = [...mine.difference(there)];
    differing += Math.max(missing.length + extra.length, Math.abs(thereKeys - hereKeys));
    windows.push({
      window: windowText(table.windows, table.key, window),
      ...{ thereKeys, hereKeys },
      missing: missing.slice(0, KEYS_TOLD_MAX).map(shown),
      extra: extra.slice(0, KEYS_TOLD_MAX).map(shown),
    });
  }
  const all = table.sums.reduce((sum, each) => sum + each.keys, 0);
  const share = differing === 0 ? 0 : differing / Math.max(all, 1);
  return { source, table: into, keys: all, windows, share };
}

/** Keys of the rows that the feed comes to before a position, with their windows. */
function keysSql(into: TableName, { key, windows }: CountedTable, until: string): string {
  const names = key.map(quoteIdentifier);
  const text = (from: string) =>
    `concat_ws(chr(31), ${names.map((name) => `${from}.${name}::varchar`).join(", ")})`;
  const [first = ""] = names;
  const number = `try_cast(k as bigint)`;
  const window =
    windows.kind === "hashes"
      ? "substr(md5(k), 1, 2)"
      : `floor((${number}::hugeint - ${windows.low})::double / ${windows.width})::bigint::varchar`;
  const table = quoteQualified(into.split("."));
  return `with feed as (select * from ${table} where _position < ${quoteLiteral(until)}),
    cut as (select coalesce(max(_position), '') as at from feed where _op = 't'),
    events as (
      select ${text("feed")} as k, _position as at, _op <> 'd' as is_there from feed
        where _op not in ('t', 'm') and feed.${first} is not null
      union all select ${text("feed._before")}, _position, false from feed
        where _op = 'u' and _before is not null and ${text("feed._before")} <> ${text("feed")})
    select k, ${window} as w from events, cut where events.at > cut.at
      group by k having arg_max(is_there, events.at)`;
}

function shown(key: string): string {
  return key.replaceAll("\u001f", ", ");
}
