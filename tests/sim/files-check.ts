/** What must hold of a lake that files are dropped into. */

import { must } from "../../core/base/assert.ts";
import { compareCodePoints } from "../../core/base/order.ts";
import { cursorFromText } from "../../core/model/cursor.ts";
import type { TableName } from "../../core/table/types.ts";
import { BRONZE, droppedLines, MODEL_TABLES, SOURCE } from "./files-scenario.ts";
import type { TableFiles } from "./model-check.ts";
import type { FileRow } from "./row-reader.ts";
import type { Expect, LakeView } from "./scenario.ts";

const QUARANTINE = "bronze_quarantine.orders";

export async function checkFiles(view: LakeView, complete: boolean, expect: Expect): Promise<void> {
  await checkRows(view, complete, expect);
  for (const name of MODEL_TABLES) await checkModel(view, name, complete, expect);
}

/** I1-I5, I10: every dropped line once, batches whole at every snapshot, the ledger equal to what is there. */
async function checkRows({ catalog, rowsAt }: LakeView, complete: boolean, expect: Expect) {
  const { good, bad } = droppedLines();
  const batches = await catalog.ledger.batches({ source: SOURCE });
  const offset = await catalog.fact("offset", `files:${SOURCE}`);
  const newest =
    batches
      .map((one) => one.batch)
      .sort(compareCodePoints)
      .at(-1) ?? null;
  expect(`the offset is ${offset}, the newest batch ${newest}`, offset === newest);
  for (const one of batches) {
    const out = one.rowsLanded + one.rowsQuarantined + one.rowsDuplicate;
    expect(`batch ${one.batch}: ${one.rowsIn} in, ${out} out`, one.rowsIn === out);
  }
  for (const [name, sent, count, lineOf] of [
    [BRONZE, good, "rowsLanded", (row: FileRow) => Number(row.line)],
    [QUARANTINE, bad, "rowsQuarantined", (row: FileRow) => Number.parseInt(String(row.raw), 10)],
  ] as const) {
    const table = await catalog.load(name);
    if (table === null) {
      expect(`${name} is missing`, batches.length === 0);
      continue;
    }
    for (const snapshot of table.snapshots) {
      const rows = await rowsAt(table, snapshot.snapshotId);
      const lines = rows.map(lineOf);
      expect(`${name}: a line twice`, new Set(lines).size === lines.length);
      expect(
        `${name}: a line nobody sent`,
        lines.every((line) => sent.includes(line)),
      );
      const isCurrent = snapshot.snapshotId === table.current?.snapshotId;
      if (isCurrent && complete) expect(`${name}: lines missing`, lines.length === sent.length);
      const seen = Map.groupBy(rows, (row) => String(row._batch));
      const known = new Set(batches.map((one) => one.batch));
      for (const batch of seen.keys())
        expect(`${name}: ${batch} is not in the ledger`, known.has(batch));
      for (const one of batches) {
        const there = seen.get(one.batch)?.length ?? 0;
        const isWhole = there === one[count] || (there === 0 && !isCurrent);
        expect(`${name}: ${there} of ${one[count]} rows of ${one.batch}`, isWhole);
      }
    }
  }
}

/** I4, I7: the rows are those of one statement over the inputs at the cursor, which names what is there. */
async function checkModel(
  { catalog, models, filesAt }: LakeView,
  name: (typeof MODEL_TABLES)[number],
  complete: boolean,
  expect: Expect,
): Promise<void> {
  const table = await catalog.load(name);
  const cursor = cursorFromText(await catalog.fact("cursor", name));
  expect(
    `${name}: a table without a cursor, or the other way`,
    (table === null) === (cursor === null),
  );
  if (table === null || cursor === null) {
    expect(`${name} is missing`, !complete);
    return;
  }
  const inputs = new Map<TableName, TableFiles>();
  for (const [input, at] of cursor.inputs) {
    const source = must(await catalog.load(input), `${input} is an input of ${name}`);
    const isThere = source.snapshots.some((one) => one.snapshotId === at.snapshotId);
    expect(`${name} has read a snapshot of ${input} that is not there`, isThere);
    if (complete) {
      expect(`${name} is behind ${input}`, at.snapshotId === (source.current?.snapshotId ?? null));
    }
    if (isThere) inputs.set(input, await filesAt(source, at.snapshotId));
  }
  const rows = await filesAt(table, table.current?.snapshotId ?? null);
  const wrong = await models.difference(name, cursor.hash, rows, inputs);
  expect(`${name}: ${wrong}`, wrong === null);
  if (!complete || name !== "gold.daily") return;
  const bronze = must(await catalog.load(BRONZE), "bronze is there");
  const all = await filesAt(bronze, bronze.current?.snapshotId ?? null);
  const silver = cursorFromText(await catalog.fact("cursor", "silver.orders"));
  const whole = await models.goldDifference(silver?.hash ?? "", rows, all);
  expect(`gold from bronze: ${whole}`, whole === null);
}
