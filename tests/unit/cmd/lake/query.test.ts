/** Queries of commands over a lake: nothing of them is left behind. */

import { expect, test } from "bun:test";
import { mkdirSync, readdirSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { lakeRows } from "../../../../cmd/lake/query.ts";
import { openSession } from "../../../../cmd/open.ts";
import { tempFolder } from "../../../support/temp-folder.ts";

test("the folder that a query may spill into goes with it, whether it ends well or not", async () => {
  await using folder = await tempFolder();
  const [project, spill] = [join(folder.path, "project"), join(folder.path, "tmp")];
  for (const path of [project, spill]) mkdirSync(path);
  await writeFile(join(project, "tarn.yaml"), "{}\n");
  const before = process.env.TMPDIR;
  process.env.TMPDIR = spill;
  try {
    await using session = await openSession({ folder: project, args: {} }, { engine: "test" });
    const left = readdirSync(spill);
    expect(await lakeRows(session, "select 42 as n")).toEqual([{ n: 42 }]);
    await lakeRows(session, "select nothing").catch(() => {});
    expect(readdirSync(spill)).toEqual(left);
  } finally {
    if (before === undefined) delete process.env.TMPDIR;
    else process.env.TMPDIR = before;
  }
});
