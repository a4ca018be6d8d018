/** `--at` of a replay: a tag, a snapshot id, a time. */

import { expect, test } from "bun:test";
import { momentOf } from "../../../../cmd/lake/moment.ts";
import { must } from "../../../../core/base/assert.ts";
import { TestCatalog } from "../../../sim/lake.ts";
import { tempFolder } from "../../../support/temp-folder.ts";

test("--at takes a tag, the id of a snapshot of any table, or a time", async () => {
  await using folder = await tempFolder();
  const { catalog, clock, random } = await TestCatalog.open({ root: folder.path }).then(filled);
  const session = { catalog, config: { timezone: "UTC" }, ports: { clock, random } };
  const [last, first] = await catalog.commits({ limit: 10 });
  const times = [first, last].map((commit) => must(commit ?? null, "two commits").timeMs);
  const ids = [first, last].map((commit) => String(commit?.tables[0]?.snapshotId));
  const ask = (text: string) => momentOf(session, text);
  expect(await Promise.all(ids.map(ask))).toEqual(times);
  expect(await ask("first")).toBe(times[0] ?? 0);
  expect(await ask("2026-11-20 12:00")).toBe(Date.UTC(2026, 10, 20, 12));
  const unknown = String(BigInt(ids[0] ?? "0") + 1n);
  expect(ask(unknown)).rejects.toMatchObject({ code: "not-found" });
  await catalog.close();
});

async function filled(lake: TestCatalog): Promise<TestCatalog> {
  await lake.append("bronze.a", [1]);
  await lake.catalog.setTag("first", 1n);
  lake.clock.advance(60_000);
  await lake.append("bronze.b", [2]);
  return lake;
}
