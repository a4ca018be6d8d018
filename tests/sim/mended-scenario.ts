/**
 * Rows of many files mended by one expression, files forgotten with their originals, one of them dropped again, and
 * bronze made again from its originals.
 */

import { existsSync, mkdirSync, readFileSync, utimesSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { quarantineTable } from "../../core/ingest/quarantine.ts";
import {
  type Expect,
  type LakeView,
  NOTHING_OUTSIDE,
  type Scenario,
  START_MS,
  type Step,
} from "./scenario.ts";

const SOURCE = "parcels";
const BRONZE = "bronze.parcels";
const HOUR_S = 3_600;

/** One command, and the drops that are there from then on; `again` are written anew. */
interface MendedStep extends Step {
  readonly drops: Readonly<Record<string, string>>;
  readonly again: readonly string[];
}

const A = csv(["1,10", "2;20", "3,30", "4;40"], ";");
const B = csv(["5,50", "6;60"], ";");
const C = csv(["7;70", "8,80", "9;90"], ";");
const D = csv(["10;100", "11,110"], ";");

const STEPS: readonly MendedStep[] = [
  step("first batch", "build", { "a.csv": A, "b.csv": B }),
  step("second batch", "build", { "c.csv": C }),
  step("files made one", "compact", {}),
  {
    ...step("many rows mended", "retry", {}),
    set: "weight = split_part(raw, ',', 2), id = split_part(raw, ',', 1)",
  },
  {
    ...step("two files forgotten", "forget", {}),
    files: ["drops/parcels/a.csv", "drops/parcels/b.csv"],
  },
  { ...step("one dropped again", "build", { "d.csv": D }), again: ["a.csv"] },
  step("files made one again", "compact", {}),
  step("bronze again", "originals", {}),
  step("retention", "maintain", {}),
];

/** What lands of each file in the end, by the numbers of its rows. */
const LANDED: Readonly<Record<string, readonly number[]>> = {
  "drops/parcels/a.csv": [2, 4],
  "drops/parcels/c.csv": [7, 8, 9],
  "drops/parcels/d.csv": [10],
};

/** No models: what follows bronze is in other stories. */
export const MENDED: Scenario = {
  name: "mended",
  steps: STEPS,
  sources: [SOURCE],
  sourceByTable: new Map([[BRONZE, SOURCE]]),
  rewrittenRowsMax: null,
  config: { sources: { [SOURCE]: { columns: { id: "bigint", weight: "bigint" } } } },
  prepare(project, index) {
    for (const one of STEPS.slice(0, index + 1)) writeDrops(project, one);
  },
  attach: async () => NOTHING_OUTSIDE,
  memory: () => null,
  recall: () => {},
  check,
};

/** Rows are those of live files, each in its file's account, and nothing is left of what was forgotten. */
async function check(view: LakeView, complete: boolean, expect: Expect): Promise<void> {
  const { catalog, rowsAt } = view;
  const batches = await catalog.ledger.batches({ source: SOURCE });
  for (const one of batches) {
    const out = one.rowsLanded + one.rowsQuarantined + one.rowsDuplicate;
    expect(`batch ${one.batch}: ${one.rowsIn} in, ${out} out`, one.rowsIn === out);
  }
  const live = await catalog.ledger.files({ source: SOURCE, live: true });
  const placeOf = (batch: unknown, file: unknown): string => `${batch} ${file}`;
  const places = new Set(live.map(({ landsAs, file }) => placeOf(landsAs, file)));
  const events = await catalog.ledger.quarantineEvents();
  const closed = new Set(events.filter(({ status }) => status !== "open").map(({ id }) => id));
  const tables = [
    { name: BRONZE, file: "_source_file", count: "rowsLanded" },
    { name: quarantineTable(BRONZE), file: "file", count: "rowsQuarantined" },
  ] as const;
  for (const { name, file, count } of tables) {
    const table = await catalog.load(name);
    const current = table?.current ?? null;
    const all = table === null || current === null ? [] : await rowsAt(table, current.snapshotId);
    const rows = all.filter((row) => !closed.has(String(row.id)));
    const byPlace = Map.groupBy(rows, (row) => placeOf(row._batch, row[file]));
    for (const place of byPlace.keys())
      expect(`${name}: rows of ${place}, which is not live`, places.has(place));
    for (const one of live) {
      const there = byPlace.get(placeOf(one.landsAs, one.file))?.length ?? 0;
      expect(`${name}: ${there} of ${one[count]} rows of ${one.file}`, there === one[count]);
    }
    if (!complete || name !== BRONZE) continue;
    const found = Map.groupBy(rows, (row) => String(row[file]));
    for (const [path, wanted] of Object.entries(LANDED)) {
      const ids = (found.get(path) ?? []).map((row) => Number(row.id)).sort((a, b) => a - b);
      expect(`${path}: ${ids} and not ${wanted}`, ids.join() === wanted.join());
    }
    expect(`${name}: other files`, found.size === Object.keys(LANDED).length);
  }
}

function writeDrops(project: string, { drops, again }: MendedStep): void {
  for (const [file, text] of Object.entries(drops)) {
    const full = join(project, "drops", SOURCE, file);
    mkdirSync(dirname(full), { recursive: true });
    if (existsSync(full) && readFileSync(full, "utf8") === text) continue;
    writeFileSync(full, text);
    utimesSync(full, START_MS / 1000 - 2 * HOUR_S, START_MS / 1000 - 2 * HOUR_S);
  }
  for (const file of again) {
    const full = join(project, "drops", SOURCE, file);
    utimesSync(full, START_MS / 1000 - HOUR_S, START_MS / 1000 - HOUR_S);
  }
}

function step(
  name: string,
  action: Step["action"],
  drops: Readonly<Record<string, string>>,
): MendedStep {
  return { name, action, drops, again: [], models: [] };
}

function csv(lines: readonly string[], delimiter: string): string {
  return `${[`id${delimiter}weight`, ...lines].join("\n")}\n`;
}
