/** The compiled binary, spawned: the main job, exit codes, pipes, a moved binary, hostile folders. */

import { expect, test } from "bun:test";
import { copyFile, cp, mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { BINARY } from "../examples/shop/binary.ts";
import { drop, rows, tarn } from "./support/binary.ts";
import { tempFolder } from "./support/temp-folder.ts";

const TIMEOUT_MS = 120_000;

const MESSY = `id,amount,placed_on,note
1,10.50,2026-11-01,ok
2,20.25,2026-11-02,"quoted, with comma"
3,0030,2026-11-02,leading zeros
4,7.00,2026-11-03,too,many
5,1.10,2026-11-03,ok
`;

const SILVER = `/* tarn
   kind: merge
   key: id
   tests:
     - not_null: [id]
*/
select id, try_cast(amount as decimal(12,2)) as amount, placed_on from bronze.orders
`;
const GOLD = "select placed_on, sum(amount) as total from silver.orders group by placed_on\n";

async function smallProject(folder: string): Promise<void> {
  await drop(folder, "drops/orders/a.csv", MESSY);
  await mkdir(join(folder, "models/silver"), { recursive: true });
  await mkdir(join(folder, "models/gold"), { recursive: true });
  await writeFile(join(folder, "models/silver/orders.sql"), SILVER);
  await writeFile(join(folder, "models/gold/daily.sql"), GOLD);
}

test(
  "the main job: drop, build, sql, at, quarantine, replay",
  async () => {
    await using folder = await tempFolder();
    await smallProject(folder.path);
    const built = await tarn(folder.path, ["build"]);
    expect(built.err).toContain("bronze.orders");
    expect(built.code).toBe(0);
    expect(await rows(folder.path, "select count(*) from bronze.orders")).toEqual(["4"]);
    expect(await rows(folder.path, "select amount from bronze.orders order by id")).toContain(
      "0030",
    );
    expect(await rows(folder.path, "from gold.daily order by 1")).toEqual([
      "2026-11-01,10.50",
      "2026-11-02,50.25",
      "2026-11-03,1.10",
    ]);
    const aside = await tarn(folder.path, ["quarantine", "show", "orders"]);
    expect(aside.out).toContain("4,7.00,2026-11-03,too,many");

    await drop(
      folder.path,
      "drops/orders/b.csv",
      "id,amount,placed_on,note\n6,5.00,2026-11-03,new\n",
    );
    expect((await tarn(folder.path, ["build"])).code).toBe(0);
    const total = "select sum(total) from gold.daily";
    expect(await rows(folder.path, total)).toEqual(["66.85"]);
    expect(await rows(folder.path, `${total} at (version => -1)`)).toEqual(["61.85"]);

    const fixed = SILVER.replace("as amount", "* 2 as amount");
    await writeFile(join(folder.path, "models/silver/orders.sql"), fixed);
    const dry = await tarn(folder.path, ["replay", "silver.orders+", "--dry-run"]);
    expect(dry.code).toBe(0);
    expect(await rows(folder.path, total)).toEqual(["66.85"]);
    expect((await tarn(folder.path, ["replay", "silver.orders+"])).code).toBe(0);
    expect(await rows(folder.path, total)).toEqual(["133.70"]);
    const again = await tarn(folder.path, ["replay", "silver.orders+"]);
    expect(again.out).toContain("no difference");

    const idle = await tarn(folder.path, ["build"]);
    expect(idle.err).toContain("0 built");
  },
  TIMEOUT_MS,
);

test(
  "the binary alone, without a network, in an empty folder and in a hostile one",
  async () => {
    await using folder = await tempFolder();
    const binary = join(folder.path, "tarn");
    await copyFile(BINARY, binary);
    const project = join(folder.path, "lake");
    await mkdir(project);
    await writeFile(join(project, "bunfig.toml"), 'preload = ["./evil.ts"]\n');
    await writeFile(join(project, "evil.ts"), "process.exit(99);\n");
    await writeFile(join(project, ".env"), "BUN_OPTIONS=--preload=./evil.ts\n");
    await writeFile(join(project, "tsconfig.json"), "{ not json");
    await writeFile(join(project, "package.json"), '{ "type": "commonjs", "name": "evil" }');
    await smallProject(project);
    const isolated = await tarn(project, ["--version"], { wrapper: ["unshare", "-rn"] });
    const wrapper = isolated.code === 0 ? ["unshare", "-rn"] : [];
    const built = await tarn(project, ["build"], { binary, wrapper });
    expect(built.err).toContain("gold.daily");
    expect(built.code).toBe(0);
    expect(await rows(project, "select count(*) from gold.daily", { binary, wrapper })).toEqual([
      "3",
    ]);
  },
  TIMEOUT_MS,
);

test(
  "a copied lake is read-only until it is relocated, and then its own",
  async () => {
    await using folder = await tempFolder();
    const first = join(folder.path, "first");
    const second = join(folder.path, "second");
    await mkdir(first);
    await smallProject(first);
    expect((await tarn(first, ["build"])).code).toBe(0);
    await cp(first, second, { recursive: true, preserveTimestamps: true });
    expect(await rows(second, "select count(*) from bronze.orders")).toEqual(["4"]);
    expect((await tarn(second, ["build", "--full"])).code).not.toBe(0);
    expect((await tarn(second, ["relocate"])).code).toBe(0);
    await drop(second, "drops/orders/c.csv", "id,amount,placed_on,note\n9,1.00,2026-11-09,x\n");
    expect((await tarn(second, ["build"])).code).toBe(0);
    expect(await rows(second, "select count(*) from bronze.orders")).toEqual(["5"]);
    expect(await rows(first, "select count(*) from bronze.orders")).toEqual(["4"]);
  },
  TIMEOUT_MS,
);

test("wrong words say what is right, with the exit code for it", async () => {
  await using folder = await tempFolder();
  const unknown = await tarn(folder.path, ["biuld"]);
  expect(unknown.err).toContain('did you mean "tarn build"?');
  expect(unknown.code).toBe(2);
  const flag = await tarn(folder.path, ["build", "--ful"]);
  expect(flag.err).toContain('did you mean "--full"?');
  expect(flag.code).toBe(2);
  expect((await tarn(folder.path, ["build"])).code).toBe(2);
  const json = await tarn(folder.path, ["status", "--json"]);
  expect(JSON.parse(json.out).error.code).toBe("usage");
  const usage = await tarn(folder.path, ["help", "rejects"]);
  expect(usage.out).toContain(
    "tarn quarantine [OPTIONS] list|show|retry|drop|export|load [SOURCE]",
  );
  const page = await tarn(folder.path, ["explain", "T0102"]);
  expect(page.code).toBe(0);
});

test("machine formats print only data on stdout, and a closed pipe ends quietly", async () => {
  await using folder = await tempFolder();
  const csv = await tarn(folder.path, ["sql", "-c", "select 1 as a, 'x' as b", "--format", "csv"]);
  expect(csv.out).toBe("a,b\n1,x\n");
  const json = await tarn(folder.path, ["sql", "-c", "select 42 as a", "--json"]);
  expect(JSON.parse(json.out)).toEqual([{ a: 42 }]);
  const piped = await tarn(folder.path, ["sql", "--format", "jsonl"], { stdin: "select 1 as a;" });
  expect(piped.out).toBe('{"a":1}\n');
  for (const format of ["parquet", "arrow"]) {
    const again = `'${BINARY}' sql -c 'select 42 as a' --format ${format} > a.${format} && ls -A`;
    const made = Bun.spawnSync(["sh", "-c", again], { cwd: folder.path });
    expect(made.stdout.toString()).toContain(`a.${format}\n`);
  }
  const read = await tarn(folder.path, ["sql", "-c", "from 'a.parquet'", "--format", "csv"]);
  expect(read.out).toBe("a\n42\n");
  const head = Bun.spawn(
    ["sh", "-c", `'${BINARY}' sql -c 'from range(10000000)' --format csv | head -n 2`],
    { cwd: folder.path, stdout: "pipe", stderr: "pipe" },
  );
  const [code, err] = [await head.exited, await new Response(head.stderr).text()];
  expect(code).toBe(0);
  expect(err).not.toContain("error");
});

test("what a foreign file is called or holds does not steer the terminal", async () => {
  await using folder = await tempFolder();
  const drops = join(folder.path, "drops", "o");
  await mkdir(drops, { recursive: true });
  await writeFile(join(drops, "a\n\u001b[31mb.csv"), "id,v\n1,2\n\u001b[2J\n");
  const built = await tarn(folder.path, ["build"]);
  const shown = await tarn(folder.path, ["quarantine", "show", "o"]);
  expect(built.err + built.out + shown.out).toContain("a\\n\\e[31mb.csv");
  expect(built.err + built.out + shown.out + shown.err).not.toContain("\u001b");
});

test(
  "rows from a pipe land once each time, and once under a key; half a line is set aside",
  async () => {
    await using folder = await tempFolder();
    const root = folder.path;
    await mkdir(join(root, "drops"));
    const load = (stdin: string, ...more: string[]) =>
      tarn(root, ["load", "-", "--into", "events", "--as", "json", ...more], { stdin });
    const counts = () => rows(root, "select count(*) from bronze.events");
    const two = '{"n":1}\n{"n":2}\n';
    expect([(await load(two)).code, (await load(two)).code]).toEqual([0, 0]);
    expect(await counts()).toEqual(["4"]);

    expect((await load(two, "--key", "monday")).code).toBe(0);
    const again = await load(two, "--key", "monday");
    expect([again.code, await counts()]).toEqual([0, ["6"]]);
    const other = await load('{"n":3}\n', "--key", "monday");
    expect(other.code).toBe(1);
    expect(other.err).toContain("other rows landed in events under this key");
    expect(await counts()).toEqual(["6"]);

    expect((await load('{"n":4}\n{"n":')).code).toBe(0);
    expect(await counts()).toEqual(["7"]);
    const aside = "select reason, raw from bronze_quarantine.events";
    expect(await rows(root, aside)).toEqual(['parse,"{""n"":"']);

    const names = await rows(root, "select distinct file like 'stdin/%.json' from lake.ledger");
    expect(names).toEqual(["true"]);
    const misplaced = await tarn(root, ["load", "x.csv", "--key", "k"]);
    expect([misplaced.code, misplaced.err.includes("--key is of rows from stdin")]).toEqual([
      2,
      true,
    ]);
    expect((await load("", "--key", "")).code).toBe(2);
  },
  TIMEOUT_MS,
);

test(
  "under up a model takes what is new at its times, each once, and one without them at once",
  async () => {
    await using folder = await tempFolder();
    await drop(folder.path, "drops/orders/a.csv", "id,n\n1,a\n2,b\n");
    const model = (name: string, settings: string): Promise<void> =>
      drop(
        folder.path,
        `models/gold/${name}.sql`,
        `${settings}select count(*) as n from bronze.orders`,
      );
    await model("often", "/* tarn\nevery: 1s\n*/\n");
    await model("yearly", "/* tarn\nschedule: 0 7 1 1 *\n*/\n");
    await model("plain", "");
    expect((await tarn(folder.path, ["build"])).code).toBe(0);
    const up = Bun.spawn([BINARY, "up"], { cwd: folder.path, stdout: "ignore", stderr: "ignore" });
    const until = async (sql: string, wanted: string): Promise<void> => {
      while ((await rows(folder.path, sql))[0] !== wanted) expect(up.exitCode).toBeNull();
    };
    try {
      await drop(folder.path, "drops/orders/b.csv", "id,n\n3,c\n");
      await until("select n from gold.plain", "3");
      await until("select n from gold.often", "3");
      expect(await rows(folder.path, "select n from gold.yearly")).toEqual(["2"]);
      const states = "select count(*) from lake.intervals where status = 'done'";
      await until(states, "1");
      await until("select count(*) > 2 from lake.intervals where status = 'nothing-new'", "true");
      expect(await rows(folder.path, states)).toEqual(["1"]);
    } finally {
      up.kill("SIGTERM");
      await up.exited;
    }
    const twice = "select count(*) - count(distinct due_at) from lake.intervals";
    expect(await rows(folder.path, twice)).toEqual(["0"]);
  },
  TIMEOUT_MS,
);

test(
  "what runs compares with its sources by itself, beside landing",
  async () => {
    await using folder = await tempFolder();
    await drop(folder.path, "drops/orders/a.csv", "id,n\n1,a\n2,b\n");
    await writeFile(join(folder.path, "tarn.yaml"), "reconcile: { every: 1s, threshold: 0% }\n");
    expect((await tarn(folder.path, ["build"])).code).toBe(0);
    const up = Bun.spawn([BINARY, "up"], { cwd: folder.path, stdout: "ignore", stderr: "ignore" });
    try {
      const sql = "select count(distinct run), min(rows_here) from lake.reconciliations";
      const isTwice = async () => (await rows(folder.path, sql))[0]?.startsWith("2,") === true;
      while (!(await isTwice())) expect(up.killed).toBe(false);
      expect((await rows(folder.path, sql))[0]).toMatch(/,2$/);
    } finally {
      up.kill("SIGTERM");
      await up.exited;
    }
  },
  TIMEOUT_MS,
);
