/** A format added as a contributor adds one, to a copy of the tree: its folder and one line, and the program has it. */

import { expect, setDefaultTimeout, test } from "bun:test";
import { cp, mkdir, readFile, symlink, utimes, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { gzipSync } from "node:zlib";
import { tempFolder } from "../../../support/temp-folder.ts";

setDefaultTimeout(240_000);

const ROOT = join(import.meta.dir, "../../../..");
const HOUSE = ["cmd", "core", "sql", "storage", "package.json", "tsconfig.json"];
const FOLDER = "sql/decode/fixed";
const LIST = "sql/decode/formats.ts";
const LINE = `  fixed: { endings: ["fixed", "fw"], load: () => import("./fixed/format.ts") },`;

test("a format is a folder and one line", async () => {
  await using folder = await tempFolder();
  const tree = join(folder.path, "tree");
  await copyHouse(tree);
  await cp(join(ROOT, "tests/unit/fixed-width"), join(tree, FOLDER), { recursive: true });
  const list = await readFile(join(tree, LIST), "utf8");
  await writeFile(join(tree, LIST), list.replace("\n};\n", `\n${LINE}\n};\n`));
  const touched = await differences(tree);
  console.info(`a new format touches:\n  ${touched.join("\n  ")}`);
  expect(touched).toEqual([`${FOLDER}/format.ts: new`, `${LIST}: 1 line more`]);

  const lake = new Lake(tree, join(folder.path, "lake"));
  await lake.drop(
    "drops/stock/1.fixed",
    "id  name      qty\n1   bolt       12\n2   nut       1.5\n",
  );
  // Known by its name, packed, in another encoding; a value that crosses a column is nobody's.
  const wide = "id  name      qty\n3   long-name-of-it\n4   Schraube   7\n";
  await lake.drop("drops/stock/2.fw.gz", gzipSync(Buffer.from(wide, "utf16le")));
  await lake.run("build");
  expect(await lake.query("select id, name, qty from bronze.stock order by id")).toEqual([
    "1,bolt,12.00",
    "2,nut,1.50",
    "4,Schraube,7.00",
  ]);
  const aside = `select file, position, reason, column_name, raw from bronze_quarantine.stock`;
  expect(await lake.query(aside)).toEqual([
    `drops/stock/2.fw.gz,line 2,parse,qty,"{""id"":""3"",""name"":""long-name-"",""qty"":""of-it""}"`,
  ]);

  // A line more, and one that is still being written: each of its rows lands once.
  await lake.append("drops/stock/1.fixed", "5   gear        3\n6   wheel");
  await lake.run("build");
  await lake.append("drops/stock/1.fixed", "       4\n");
  await lake.run("build");
  const rows = ["1,bolt,12.00", "2,nut,1.50", "4,Schraube,7.00", "5,gear,3.00", "6,wheel,4.00"];
  const all = "select id, name, qty from bronze.stock order by id";
  expect(await lake.query(all)).toEqual(rows);

  await lake.run("quarantine", "retry", "stock", "--set", "qty=9");
  const mended = [...rows.slice(0, 2), "3,long-name-,9.00", ...rows.slice(2)];
  expect(await lake.query(all)).toEqual(mended);
  await lake.run("replay", "bronze.stock", "--from-originals");
  expect(await lake.query(all)).toEqual(mended);
  expect(await lake.query("select status, count(*) from lake.quarantine group by all")).toEqual([
    "fixed,1",
  ]);
  const books = "select sum(rows_in) = sum(rows_landed + rows_quarantined) from lake.ledger";
  expect(await lake.query(books)).toEqual(["true"]);

  // Its word in tarn.yaml and on the command line, and what means nothing to it.
  await lake.drop("tarn.yaml", "sources:\n  odd: {format: fixed, columns: {id: int, day: date}}\n");
  await lake.drop("drops/odd/list", "id  day\n1   2026-01-31\n2   2026-02-30\n");
  await lake.run("build");
  await lake.append("drops/odd/list", "3   2026-03-01\n");
  await lake.run("build");
  const odd = "select id, day from bronze.odd order by id";
  expect(await lake.query(odd)).toEqual(["1,2026-01-31", "3,2026-03-01"]);
  await lake.drop("more", "id\n7\n");
  await lake.run("load", "more", "--into", "numbers", "--as", "fixed");
  expect(await lake.query("select id from bronze.numbers")).toEqual(["7"]);
  await lake.drop("tarn.yaml", 'sources:\n  odd: {format: fixed, delimiter: ";"}\n');
  expect(await lake.fail("check")).toContain('"delimiter" means nothing for format fixed');
});

/** A project that is worked on by the program of a tree. */
class Lake {
  readonly #main: string;
  readonly #root: string;
  #minutes = 0;

  constructor(tree: string, root: string) {
    this.#main = join(tree, "cmd/main.ts");
    this.#root = root;
  }

  /** As of long ago, so that it has settled. */
  async drop(file: string, content: string | Uint8Array): Promise<void> {
    const path = join(this.#root, file);
    await mkdir(dirname(path), { recursive: true });
    await writeFile(path, content);
    const at = new Date(Date.parse("2026-01-01T00:00:00Z") + ++this.#minutes * 60_000);
    await utimes(path, at, at);
  }

  async append(file: string, more: string): Promise<void> {
    await this.drop(file, (await readFile(join(this.#root, file), "utf8")) + more);
  }

  async run(...words: readonly string[]): Promise<string> {
    const { code, out, err } = await this.#spawn(words);
    if (code !== 0) throw new Error(`tarn ${words.join(" ")} ended ${code}\n${out}${err}`);
    return out;
  }

  async fail(...words: readonly string[]): Promise<string> {
    const { code, out, err } = await this.#spawn(words);
    expect(code).not.toBe(0);
    return out + err;
  }

  async query(sql: string): Promise<string[]> {
    const out = await this.run("sql", "-c", sql, "--format", "csv");
    return out.trim().split("\n").slice(1);
  }

  async #spawn(words: readonly string[]) {
    const child = Bun.spawn([process.execPath, this.#main, "-C", this.#root, ...words], {
      stdout: "pipe",
      stderr: "pipe",
      stdin: "ignore",
      cwd: this.#root,
    });
    const [code, out, err] = await Promise.all([
      child.exited,
      new Response(child.stdout).text(),
      new Response(child.stderr).text(),
    ]);
    return { code, out, err };
  }
}

async function copyHouse(tree: string): Promise<void> {
  await mkdir(tree);
  for (const name of HOUSE) await cp(join(ROOT, name), join(tree, name), { recursive: true });
  await symlink(join(ROOT, "node_modules"), join(tree, "node_modules"));
}

/** What a tree has more than ours. */
async function differences(tree: string): Promise<string[]> {
  const found: string[] = [];
  for (const path of new Bun.Glob("{cmd,core,sql,storage}/**").scanSync({ cwd: tree })) {
    const own = Bun.file(join(ROOT, path));
    const text = await readFile(join(tree, path), "utf8");
    if (!(await own.exists())) found.push(`${path}: new`);
    else if ((await own.text()) !== text)
      found.push(`${path}: ${linesMore(await own.text(), text)}`);
  }
  return found.sort();
}

function linesMore(before: string, after: string): string {
  const kept = after.split("\n").filter((line) => line !== LINE);
  expect(kept.join("\n")).toBe(before);
  return "1 line more";
}
