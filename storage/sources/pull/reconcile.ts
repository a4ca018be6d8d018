/** Counts and sums tables that are pulled, up to the greatest cursor that there is, by the database that has them. */

import type { CountAsk, Counted, CountedTable } from "../../../core/ingest/reconcile.ts";
import type { CountWorld } from "../../../core/ingest/source-kind.ts";
import { placeFromText } from "./place.ts";
import type { RowCounter } from "./row-counter.ts";
import type { PullSettings } from "./settings.ts";

/** `up` asks when it is time, and a run that it had begun is not enough. */
const RUNS_WAITED = 2;
const WAIT_MS = 180_000;

/** Tables by their names in the settings. Throws LakeError. */
export async function countPulled(
  settings: PullSettings,
  asks: readonly CountAsk[],
  { projectRoot, from, isRead }: CountWorld,
): Promise<Counted> {
  const counter = await openCounter(settings, projectRoot);
  try {
    const tables: CountedTable[] = [];
    const leftOut: Counted["leftOut"][number][] = [];
    for (const ask of asks) {
      const counted = await countOne(counter, settings, ask);
      if (typeof counted === "string") leftOut.push({ table: ask.table, why: counted });
      else tables.push(counted);
    }
    let runs: number | null = null;
    return {
      until: null,
      at: "its last load",
      tables,
      leftOut,
      waitMs: settings.every * RUNS_WAITED + WAIT_MS,
      isReached: (position) => {
        const place = placeFromText(position ?? from);
        // A run that was under way when it was counted may have read before.
        runs ??= place.runs + (isRead || place.run !== null ? RUNS_WAITED : 1);
        return place.runs >= runs;
      },
      rowsOf: (table, window) => counter.rowsOf(table, window),
      valuesOf: (table, window, keys) => counter.valuesOf(table, window, keys),
      close: () => counter.close(),
    };
  } catch (thrown) {
    await counter.close();
    throw thrown;
  }
}

async function countOne(
  counter: RowCounter,
  { tables }: PullSettings,
  ask: CountAsk,
): Promise<CountedTable | string> {
  const table = tables.find(({ name }) => name === ask.table);
  if (table === undefined) return "it is not read any more";
  const counted = await counter.count(ask, table);
  if (typeof counted === "string" || counted.cursor !== undefined) return counted;
  const isEmpty = counted.sums.length === 0;
  return isEmpty ? "it has no row, and a load without any is none" : { ...counted, isLoad: true };
}

async function openCounter(settings: PullSettings, projectRoot: string): Promise<RowCounter> {
  if (/^sqlite:/.test(settings.url)) {
    const { SqliteCounter } = await import("./sqlite-rows.ts");
    return SqliteCounter.open(settings, projectRoot);
  }
  const { MysqlCounter, PostgresCounter } = await import("./server-rows.ts");
  return /^(?:mysql|mariadb):/.test(settings.url)
    ? await MysqlCounter.open(settings, projectRoot)
    : await PostgresCounter.open(settings, projectRoot);
}
