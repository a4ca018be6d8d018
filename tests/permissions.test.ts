/** The compiled binary in a lake that it may only read, that it may not read, or that another command has. */

import { expect, setDefaultTimeout, test } from "bun:test";
import { chmod, copyFile, mkdir, readdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { BINARY } from "../examples/shop/binary.ts";
import { EngineLease } from "../storage/disk/lease.ts";
import { drop, type Ran, type RunOptions, tarn } from "./support/binary.ts";
import { tempFolder } from "./support/temp-folder.ts";

setDefaultTimeout(180_000);

/** Somebody who is not root, to whom permissions mean something. */
const NOBODY = "65534";

/** A built project, and how to run in it as somebody who does not own it or may not write. */
async function builtProject(folder: string): Promise<RunOptions> {
  await drop(folder, "drops/orders/a.csv", "id,amount\n1,10\n2,x\n");
  await writeFile(
    join(folder, "tarn.yaml"),
    "sources: { orders: { columns: { id: bigint, amount: bigint } } }\n",
  );
  await mkdir(join(folder, "models/gold"), { recursive: true });
  await writeFile(join(folder, "models/gold/total.sql"), "select sum(amount) t from orders\n");
  expect((await tarn(folder, ["build"])).code).toBe(0);
  expect((await tarn(folder, ["tag", "first"])).code).toBe(0);
  await chmod(folder, 0o755);
  if (process.getuid?.() !== 0) return {};
  const home = join(folder, "home");
  await mkdir(home);
  await chmod(home, 0o777);
  const binary = join(home, "tarn");
  await copyFile(BINARY, binary);
  await chmod(binary, 0o755);
  const wrapper = ["setpriv", "--reuid", NOBODY, "--regid", NOBODY, "--clear-groups"];
  return { wrapper, binary, env: { HOME: home } };
}

/** The mode of everything in a folder, folders before what is in them. */
async function setModes(folder: string, files: number, folders: number): Promise<void> {
  await chmod(folder, 0o755);
  for (const entry of await readdir(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) await setModes(path, files, folders);
    else if (entry.isFile()) await chmod(path, files);
  }
  await chmod(folder, folders);
}

/** Commands that only look. */
const LOOKS: readonly (readonly string[])[] = [
  ["status"],
  ["ls"],
  ["log"],
  ["tag"],
  ["show", "gold.total"],
  ["diff", "bronze.orders@1", "bronze.orders@1"],
  ["plan"],
  ["check"],
  ["doctor"],
  ["quarantine", "list"],
  ["quarantine", "show", "orders"],
  ["source", "ls"],
  ["contract", "show", "bronze.orders"],
  ["sql", "-c", "select count(*) from gold.total"],
  ["sql", "-c", "from lake.commits"],
];

const CHANGES: readonly (readonly string[])[] = [
  ["build"],
  ["tag", "second"],
  ["restore", "gold.total", "--to", "@1"],
  ["replay", "gold.total", "--dry-run"],
  ["drop", "gold.total"],
];

test("what only looks works in a lake that may only be read; what changes it says why not", async () => {
  await using folder = await tempFolder();
  const somebody = await builtProject(folder.path);
  const warehouse = join(folder.path, "warehouse");
  await setModes(warehouse, 0o444, 0o555);
  const failed: Ran[] = [];
  for (const words of LOOKS) {
    const ran = await tarn(folder.path, words, somebody);
    if (ran.code !== 0) failed.push({ ...ran, out: words.join(" ") });
  }
  const refused: Ran[] = [];
  for (const words of CHANGES) refused.push(await tarn(folder.path, words, somebody));
  await setModes(warehouse, 0o644, 0o755);
  expect(failed).toEqual([]);
  for (const { code, err } of refused) {
    expect([code, err]).toEqual([3, expect.stringContaining("permission denied")]);
  }
});

test("a lake that may not be read is an error in every command, with what to do", async () => {
  await using folder = await tempFolder();
  const somebody = await builtProject(folder.path);
  const warehouse = join(folder.path, "warehouse");
  for (const [path, mode] of [
    [warehouse, 0o000],
    [join(warehouse, "catalog.db"), 0o000],
  ] as const) {
    await setModes(warehouse, 0o644, 0o755);
    await chmod(path, mode);
    const ends: unknown[] = [];
    for (const words of [...LOOKS, ...CHANGES]) {
      const { code, err } = await tarn(folder.path, words, somebody);
      ends.push([words.join(" "), code, /permission denied/.test(err)]);
    }
    await chmod(path, 0o755);
    expect(ends).toEqual([...LOOKS, ...CHANGES].map((words) => [words.join(" "), 3, true]));
  }
});

test("a build beside another command is refused, or waits for it and goes on", async () => {
  await using folder = await tempFolder();
  await drop(folder.path, "drops/orders/a.csv", "id\n1\n");
  const root = join(folder.path, "warehouse");
  await mkdir(root);
  const lease = EngineLease.take({ root, pid: process.pid, command: "tarn other", nowMs: 0 });
  const refused = await tarn(folder.path, ["build"]);
  expect([refused.code, refused.err]).toEqual([3, expect.stringContaining("tarn build --wait")]);
  const child = Bun.spawn([BINARY, "build", "--wait"], {
    cwd: folder.path,
    stdin: "ignore",
    stdout: "ignore",
    stderr: "pipe",
  });
  let said = "";
  let isHeld = true;
  for await (const chunk of child.stderr) {
    said += new TextDecoder().decode(chunk);
    if (!isHeld || !said.includes("waits: another engine")) continue;
    isHeld = false;
    lease.release();
  }
  expect([await child.exited, said]).toEqual([0, expect.stringContaining("bronze.orders@1")]);
});
