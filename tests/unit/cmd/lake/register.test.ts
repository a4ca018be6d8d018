/** A table of another catalog becomes one of the lake with its past, and neither takes anything from the other. */

import { expect, setDefaultTimeout, test } from "bun:test";
import {
  cpSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { buildIfStale } from "../../../../examples/shop/binary.ts";
import { tarn } from "../../../support/binary.ts";
import { tempFolder } from "../../../support/temp-folder.ts";

setDefaultTimeout(180_000);
if ((await buildIfStale()) !== 0) throw new Error("dist/tarn cannot be built");

async function said(folder: string, ...words: readonly string[]): Promise<string> {
  const { code, out, err } = await tarn(folder, words);
  return code === 0 ? out.trim() : `exit ${code}: ${err.trim()}`;
}

const csv = (folder: string, sql: string): Promise<string> =>
  said(folder, "sql", "-q", "--format", "csv", "-c", sql);

/** A table in four states: rows, others, marks in a large file, a column that came. */
const STATEMENTS = `create table gold.t as select i as id, 'v' || i as v from range(200000) r(i);
  insert into gold.t values (-1, 'x');
  delete from gold.t where id % 1000 = 3;
  alter table gold.t add column n int;
  update gold.t set n = 1 where id = -1`;

/** Two projects, and the folder of the table in the first. */
async function twoLakes(folder: string): Promise<{ here: string; there: string; table: string }> {
  const [here, there] = [join(folder, "here"), join(folder, "there")];
  for (const project of [here, there]) mkdirSync(join(project, "drops"), { recursive: true });
  await said(there, "sql", "-q", "-c", STATEMENTS);
  const gold = join(there, "warehouse/gold");
  const [name = ""] = readdirSync(gold);
  return { here, there, table: join(gold, name) };
}

function digest(root: string): string {
  const hasher = new Bun.CryptoHasher("sha256");
  for (const name of readdirSync(root, { recursive: true, encoding: "utf8" }).sort()) {
    if (statSync(join(root, name)).isFile())
      hasher.update(name).update(readFileSync(join(root, name)));
  }
  return hasher.digest("hex");
}

test("every state of it is read, and its files are not copied", async () => {
  await using folder = await tempFolder();
  const { here, there, table } = await twoLakes(folder.path);
  const before = digest(table);
  expect(await said(here, "register", "gold.mine", table)).toContain(
    "gold.mine is here: 199,801 rows, 4 snapshots",
  );
  const states = ["", "@1", "@2", "@3", "@4"];
  for (const state of states) {
    const sql = (name: string) =>
      `select count(*) as n, sum(id) as s, max(v) as m from gold.${name}${state}`;
    expect(await csv(here, sql("mine"))).toBe(await csv(there, sql("t")));
  }
  const data = readdirSync(join(here, "warehouse/gold"), { recursive: true, encoding: "utf8" });
  const linked = data
    .filter((name) => name.endsWith(".parquet"))
    .filter((name) => statSync(join(here, "warehouse/gold", name)).nlink === 2);
  expect(linked.length).toBeGreaterThan(1);
  expect(digest(table)).toBe(before);
  expect(await said(here, "doctor", "--deep")).toContain("✔ gold.mine");
});

test("it is changed and dropped here, and there nothing happens", async () => {
  await using folder = await tempFolder();
  const { here, there, table } = await twoLakes(folder.path);
  const before = digest(table);
  await said(here, "register", "gold.mine", table);
  expect(await said(here, "register", "gold.again", table)).toContain(
    "this table is here already: gold.mine",
  );
  expect(await said(here, "sql", "-q", "-c", "delete from gold.mine where id < 100000")).toBe("");
  await said(here, "maintain", "all");
  expect(await said(here, "drop", "gold.mine")).not.toContain("exit");
  expect(digest(table)).toBe(before);
  expect(await csv(there, "select count(*) as n from gold.t")).toBe("n\n199801");
  expect(await said(here, "register", "gold.mine", table)).toContain("199,801 rows");
  rmSync(there, { recursive: true });
  expect(await csv(here, "select count(*) as n from gold.mine")).toBe("n\n199801");
});

test("what was dropped last can be brought back, however often it was registered and dropped", async () => {
  await using folder = await tempFolder();
  const { here, table } = await twoLakes(folder.path);
  const gold = join(here, "warehouse/gold");
  const seen: string[] = [];
  // Until the last folder's name is not the greatest, which hides a fault.
  do {
    await said(here, "register", "gold.mine", table);
    seen.push(readdirSync(gold).find((name) => !seen.includes(name)) ?? "");
    await said(here, "drop", "gold.mine");
  } while (seen.length < 2 || seen.at(-1) === [...seen].sort().at(-1));
  const old = new Date(Date.now() - 72 * 3_600_000);
  for (const name of readdirSync(gold, { recursive: true, encoding: "utf8" })) {
    if (statSync(join(gold, name)).isFile()) utimesSync(join(gold, name), old, old);
  }
  expect(await said(here, "maintain", "orphans")).toBe("nothing to do");
  // Past what is kept, all of them go, those that another registration stands for too.
  writeFileSync(join(here, "tarn.yaml"), "keep: { snapshots: 1ms }\n");
  const files = readdirSync(gold, { recursive: true, withFileTypes: true });
  const count = files.filter((file) => file.isFile()).length;
  expect(await said(here, "maintain", "orphans")).toContain(`${count} files that nothing names`);
});

test("one that lies elsewhere than it says is found by its folder", async () => {
  await using folder = await tempFolder();
  const { here, table } = await twoLakes(folder.path);
  cpSync(table, join(folder.path, "copied"), { recursive: true });
  rmSync(table, { recursive: true });
  expect(await said(here, "register", "gold.mine", join(folder.path, "copied"))).toContain(
    "4 snapshots",
  );
  expect(await csv(here, "select count(*) as n from gold.mine@1")).toBe("n\n200000");
});

test("what is no table, or not clear which, is refused, and a name that is taken", async () => {
  await using folder = await tempFolder();
  const { here, table } = await twoLakes(folder.path);
  expect(await said(here, "register", "gold.x", folder.path)).toContain("it has no metadata/");
  expect(await said(here, "register", "gold.x", join(folder.path, "none"))).toContain(
    "none: ENOENT",
  );
  await said(here, "sql", "-c", "create table gold.taken (a int)");
  expect(await said(here, "register", "gold.taken", table)).toContain(
    "there is a table gold.taken already",
  );
  expect(await said(here, "register", "mine", table)).toContain("a table is of a layer");
  const names = readdirSync(join(table, "metadata")).filter((name) =>
    name.endsWith(".metadata.json"),
  );
  const newest = names.sort().at(-1) ?? "";
  cpSync(
    join(table, "metadata", newest),
    join(table, "metadata", newest.replace(/-.*\.meta/, "-other.meta")),
  );
  expect(await said(here, "register", "gold.x", table)).toContain("has two newest files");
  expect(await said(here, "register", "gold.x", join(table, "metadata", newest))).toContain(
    "gold.x is here",
  );
});

test("a file that was added may be written again in its place, unless it was linked", async () => {
  await using folder = await tempFolder();
  const { here } = await twoLakes(folder.path);
  const file = join(here, "day.parquet");
  await said(here, "sql", "-q", "-c", "create table gold.d (id bigint)");
  await said(here, "sql", "-q", "-c", `copy (select 7::bigint as id) to '${file}'`);
  expect(await said(here, "add-files", "gold.d", file)).toContain("1 row more");
  expect(statSync(file).nlink).toBe(1);
  writeFileSync(file, "what the next export has written so far");
  expect(await csv(here, "from gold.d")).toBe("id\n7");
  await said(here, "sql", "-q", "-c", `copy (select 8::bigint as id) to '${file}'`);
  expect(await said(here, "add-files", "gold.d", file, "--link")).toContain("1 row more");
  expect(statSync(file).nlink).toBe(2);
  expect(await csv(here, "select id from gold.d order by id")).toBe("id\n7\n8");
});
