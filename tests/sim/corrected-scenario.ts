/** Corrections that come, change and go, and runs that are taken back, over files that are made few meanwhile. */

import { mkdirSync, utimesSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { MODEL_TOOLS } from "../../cmd/project/model-tools.ts";
import { parseYaml } from "../../cmd/project/yaml.ts";
import { must } from "../../core/base/assert.ts";
import { type CorrectionFile, parseCorrection } from "../../core/model/correction-file.ts";
import { cursorFromText } from "../../core/model/cursor.ts";
import { NO_MACROS } from "../../core/model/macros.ts";
import type { Model } from "../../core/model/model.ts";
import { NO_VARIABLES } from "../../core/model/variables.ts";
import type { TableName } from "../../core/table/types.ts";
import { correctionText } from "../../sql/syntax/correction.ts";
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

const SOURCE = "parcels";
const BRONZE = "bronze.parcels";
const SILVER = "silver.parcels";
const GOLD = "gold.total";
const MODELS: readonly Model[] = [
  model("models/silver/parcels.sql", "select id, weight from bronze.parcels"),
  model(
    "models/gold/total.sql",
    "select count(*) as n, sum(weight)::bigint as weight from silver.parcels",
  ),
];

/** What each correction makes of a weight; null: the row is taken out. */
const TENFOLD = correction("SET weight = weight * 10 WHERE id < 4");
const WITHOUT = correction("DELETE WHERE id = 2");
const MEANING: ReadonlyMap<string, (id: number, weight: number) => number | null> = new Map([
  ["", (_id, weight) => weight],
  [TENFOLD.correction.hash, (id, weight) => (id < 4 ? weight * 10 : weight)],
  [WITHOUT.correction.hash, (id, weight) => (id === 2 ? null : weight)],
]);

interface CorrectedStep extends Step {
  readonly drops: Readonly<Record<string, string>>;
}

const STEPS: readonly CorrectedStep[] = [
  step("first batch", "build", null, { "a.csv": "id,weight\n1,10\n2,20\n" }),
  step("corrected", "build", TENFOLD, {}),
  step("second batch", "build", TENFOLD, { "b.csv": "id,weight\n3,30\n4,40\n" }),
  { ...step("taken back", "undo", TENFOLD, {}), undone: SILVER },
  step("held", "build", TENFOLD, {}),
  step("edited", "build", WITHOUT, {}),
  step("files made one", "compact", WITHOUT, {}),
  step("third batch", "build", WITHOUT, { "c.csv": "id,weight\n5,50\n" }),
  step("removed", "build", null, {}),
  { ...step("taken back again", "undo", null, {}), undone: SILVER },
  step("fourth batch", "build", null, { "d.csv": "id,weight\n6,60\n" }),
  step("retention", "maintain", null, {}),
];
const IN_THE_END = "1:10 2:20 3:30 4:40 5:50 6:60";

export const CORRECTED: Scenario = {
  name: "corrected",
  steps: STEPS,
  sources: [SOURCE],
  sourceByTable: new Map([[BRONZE, SOURCE]]),
  rewrittenRowsMax: null,
  config: { sources: { [SOURCE]: { columns: { id: "bigint", weight: "bigint" } } } },
  prepare(project, index) {
    for (const { drops } of STEPS.slice(0, index + 1)) writeDrops(project, drops);
  },
  attach: async () => NOTHING_OUTSIDE,
  memory: () => null,
  recall: () => {},
  check,
};

/**
 * A model's rows are those of what it has read, through what it has read it; or, held, those that it held before. What
 * was built on a run that is taken back goes with it.
 */
async function check(view: LakeView, complete: boolean, expect: Expect): Promise<void> {
  const { catalog } = view;
  const silver = cursorFromText(await catalog.fact("cursor", SILVER));
  const gold = cursorFromText(await catalog.fact("cursor", GOLD));
  const found = textOf(await rowsOf(view, SILVER));
  const read = silver?.inputs.get(BRONZE);
  if (silver !== null && read !== undefined && silver.restored === null) {
    const hashes = (read.corrections ?? []).join(" ");
    const put = must(MEANING.get(hashes), "what was read through is one of the story");
    const bronze = await rowsOf(view, BRONZE, read.snapshotId);
    const wanted = bronze.flatMap(({ id, weight }) => {
      const right = put(Number(id), Number(weight));
      return right === null ? [] : [{ id, weight: right }];
    });
    expect(`${SILVER}: ${found} and not ${textOf(wanted)}`, found === textOf(wanted));
  }
  if (silver !== null && silver.restored !== null) {
    const then = await rowsThen(view, SILVER, silver.restored);
    expect(`${SILVER}: ${found} and not ${then} as before`, then === null || found === then);
    expect(`${GOLD} is not taken back with what it is made of`, gold?.restored !== null);
  }
  const of = gold?.inputs.get(SILVER);
  if (gold !== null && of !== undefined && gold.restored === null) {
    const rows = await rowsOf(view, SILVER, of.snapshotId);
    const weight = rows.reduce((sum, row) => sum + Number(row.weight), 0);
    const [total] = await rowsOf(view, GOLD);
    const is = `${total?.n} of ${total?.weight}`;
    expect(`${GOLD}: ${is}`, is === `${rows.length} of ${rows.length === 0 ? null : weight}`);
  }
  if (!complete) return;
  expect(`${SILVER}: ${found} in the end`, found === IN_THE_END);
  expect("both are computed in the end", silver?.restored === null && gold?.restored === null);
  const facts = [...(await catalog.facts("setting")).keys()];
  expect("a correction is left", !facts.some((name) => name.startsWith("correction:")));
}

function textOf(rows: readonly FileRow[]): string {
  const sorted = rows.toSorted((a, b) => Number(a.id) - Number(b.id));
  return sorted.map(({ id, weight }) => `${id}:${weight}`).join(" ");
}

/** Null where that is not kept any more. */
async function rowsThen(view: LakeView, name: TableName, sequence: bigint): Promise<string | null> {
  const table = await view.catalog.load(name);
  const then = table?.snapshots.find(({ sequenceNumber }) => sequenceNumber === sequence);
  return then === undefined ? null : textOf(await rowsOf(view, name, then.snapshotId));
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
  corrected: CorrectionFile | null,
  drops: Readonly<Record<string, string>>,
): CorrectedStep {
  const corrections = corrected === null ? [] : [corrected];
  return { name, action, drops, models: MODELS, corrections };
}

function model(file: string, sql: string): Model {
  return must(parsed(file, `${sql}\n`).model, "the model is valid");
}

function correction(statement: string): CorrectionFile {
  const given = { onFailOf: () => null, variables: NO_VARIABLES, macros: NO_MACROS };
  const told = { cut: correctionText, timezone: "UTC", nowMs: START_MS };
  const read = parseCorrection(
    "corrections/right.sql",
    `/* tarn\ninput: ${BRONZE}\n*/\n${statement}\n`,
    { parseYaml, ...MODEL_TOOLS, ...given, ...told },
  );
  return must(read.correction, "the correction is valid");
}
