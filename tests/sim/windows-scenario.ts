/** Windows that close, rows that come too late for them, repairs and a replay. */

import { mkdirSync, utimesSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { must } from "../../core/base/assert.ts";
import { lateTable } from "../../core/model/closing-request.ts";
import { cursorFromText } from "../../core/model/cursor.ts";
import type { TableName } from "../../core/table/types.ts";
import { parsed } from "../support/models.ts";
import type { FileRow } from "./row-reader.ts";
import {
  type Expect,
  type LakeView,
  NOTHING_OUTSIDE,
  type Scenario,
  START_MS,
  type Step,
} from "./scenario.ts";

const SOURCE = "clicks";
const BRONZE = "bronze.clicks";
const MODEL = "gold.daily";
const HOUR_US = 3_600_000_000n;

const HOURLY = must(
  parsed(
    "models/gold/daily.sql",
    `/* tarn
emit: on_window_close
watermark: { column: at, delay: 10m }
*/
select window_start, window_end, count(*) as n, sum(id)::bigint as ids
from TUMBLE(TABLE bronze.clicks, DESCRIPTOR(at), INTERVAL '1 hour') group by window_start, window_end
`,
  ).model,
  "the model is valid",
);

interface WindowsStep extends Step {
  readonly drops: Readonly<Record<string, string>>;
}

const STEPS: readonly WindowsStep[] = [
  step("first hour", "build", { "a.csv": csv(["1,10:05", "2,10:20", "3,11:15"]) }),
  step("late and on time", "build", { "b.csv": csv(["4,10:30", "5,12:20", "6,"]) }),
  step("repaired", "repair", {}),
  step("late again", "build", { "c.csv": csv(["7,10:40", "8,11:10"]) }),
  step("files made one", "compact", {}),
  step("repaired with new rows", "repair", { "d.csv": csv(["9,11:20", "10,13:30"]) }),
  step("late once more", "build", { "e.csv": csv(["11,11:30"]) }),
  step("replayed", "replay", {}),
  step("retention", "maintain", {}),
];

/** Numbers of the rows of each hour that is closed in the end. */
const IN_THE_END: readonly (readonly number[])[] = [[1, 2, 4, 7], [3, 8, 9, 11], [5]];

export const WINDOWS: Scenario = {
  name: "windows",
  steps: STEPS,
  sources: [SOURCE],
  sourceByTable: new Map([[BRONZE, SOURCE]]),
  rewrittenRowsMax: null,
  config: { sources: { [SOURCE]: { columns: { id: "bigint", at: "timestamp" } } } },
  prepare(project, index) {
    for (const { drops } of STEPS.slice(0, index + 1)) writeDrops(project, drops);
  },
  attach: async () => NOTHING_OUTSIDE,
  memory: () => null,
  recall: () => {},
  check,
};

/**
 * Of the rows that the model has read, each is in the window that it belongs to, or late for it, or its window is not
 * closed: once, and in one of them.
 */
async function check(view: LakeView, complete: boolean, expect: Expect): Promise<void> {
  const { catalog } = view;
  const cursor = cursorFromText(await catalog.fact("cursor", MODEL));
  const state = cursor?.watermark ?? null;
  const place = cursor?.inputs.get(BRONZE);
  if (state === null || place === undefined) return;
  const read = await rowsOf(view, BRONZE, place.snapshotId);
  const windows = await rowsOf(view, MODEL);
  const late = await rowsOf(view, lateTable(MODEL));
  const closedUs = state.us ?? -(2n ** 62n);
  const ended = Map.groupBy(read, (row) => (row.at === null ? null : endOf(microsOf(row.at))));
  for (const row of windows) {
    const end = microsOf(row.window_end);
    expect(`a window that ends at ${end} and is not closed`, end <= closedUs);
    expect(`a window of no row ends at ${end}`, ended.has(end));
  }
  const ends = windows.map((row) => microsOf(row.window_end));
  expect("each window is there once", new Set(ends).size === ends.length);
  for (const [end, rows] of ended) {
    const isOpen = end !== null && end > closedUs;
    const own = windows.find((row) => microsOf(row.window_end) === end);
    const lateOnes = late.filter((row) =>
      end === null
        ? row.window_end === null
        : row.window_end !== null && microsOf(row.window_end) === end,
    );
    const held = Number(own?.n ?? 0) + lateOnes.length;
    expect(
      `${held} of ${rows.length} rows of the window that ends at ${end}`,
      isOpen || held === rows.length,
    );
    expect(
      `${lateOnes.length} rows are late for a window that is open`,
      !isOpen || lateOnes.length === 0,
    );
  }
  if (!complete) return;
  const sums = IN_THE_END.map((ids) => ids.reduce((sum, id) => sum + id, 0));
  const found = windows.map((row) => Number(row.ids)).sort((a, b) => a - b);
  expect(`${found} and not ${sums}`, found.join() === sums.sort((a, b) => a - b).join());
  expect(
    `${late.length} rows are late in the end, and not the one without a time`,
    late.length === 1,
  );
}

async function rowsOf(
  { catalog, rowsAt }: LakeView,
  name: TableName,
  snapshotId: bigint | null = null,
): Promise<FileRow[]> {
  const table = await catalog.load(name);
  const id = snapshotId ?? table?.current?.snapshotId ?? null;
  return table === null || id === null ? [] : rowsAt(table, id);
}

function endOf(us: bigint): bigint {
  return us - (us % HOUR_US) + HOUR_US;
}

/** A time as the reader gives it. */
function microsOf(value: unknown): bigint {
  if (value instanceof Date) return BigInt(value.getTime()) * 1000n;
  if (typeof value === "bigint") return value;
  return BigInt(Date.parse(`${String(value).replace(/Z?$/, "Z")}`)) * 1000n;
}

function writeDrops(project: string, drops: Readonly<Record<string, string>>): void {
  for (const [file, text] of Object.entries(drops)) {
    const full = join(project, "drops", SOURCE, file);
    mkdirSync(dirname(full), { recursive: true });
    writeFileSync(full, text);
    utimesSync(full, START_MS / 1000 - 7_200, START_MS / 1000 - 7_200);
  }
}

function step(
  name: string,
  action: Step["action"],
  drops: Readonly<Record<string, string>>,
): WindowsStep {
  return { name, action, drops, models: [HOURLY] };
}

/** Rows of the day before the story. */
function csv(lines: readonly string[]): string {
  const day = new Date(START_MS - 86_400_000).toISOString().slice(0, 10);
  const rows = lines.map((line) => line.replace(/,(.+)$/, `,${day} $1:00`));
  return `${["id,at", ...rows].join("\n")}\n`;
}
