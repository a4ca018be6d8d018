/** Worker processes: fresh and warm ones, and every way in which they die. */

import { describe, expect, test } from "bun:test";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { LakeError } from "../../../../core/base/errors.ts";
import type { InspectRequest } from "../../../../core/engine.ts";
import type { AnalyzeRequest } from "../../../../core/model/analysis.ts";
import { isAlive } from "../../../../sql/duckdb/native-unpack.ts";
import { openWorkerEngine, workerEnvironment } from "../../../../sql/worker/client.ts";
import { type TempFolder, tempFolder } from "../../../support/temp-folder.ts";

const ENTRY = join(import.meta.dir, "../../../support/worker-entry.ts");
const MIB = 1024 * 1024;

interface Change {
  readonly idleMs?: number;
  readonly command?: string[];
  readonly nowMs?: () => number;
  readonly threads?: number;
  readonly isBeside?: boolean;
  readonly memoryBytes?: number;
}

function open(folder: TempFolder, change: Change = {}) {
  const engine = openWorkerEngine({
    command: [process.execPath, ENTRY],
    environment: workerEnvironment(process.env),
    memoryBytes: 1600 * MIB,
    foreignMax: 1,
    warmMax: 1,
    folders: [join(folder.path, "data")],
    tempFolder: join(folder.path, "temp"),
    ...change,
  });
  return { ...engine, engine, [Symbol.asyncDispose]: () => engine.close() };
}

function inspecting(
  folder: TempFolder,
  names: readonly string[],
  limits: { timeMs?: number; memoryBytes?: number } = {},
): InspectRequest {
  return {
    files: names.map((name) => {
      const path = join(folder.path, name.replaceAll("/", "_"));
      writeFileSync(path, "x\n1\n");
      return { name, path, sha256: "", sizeBytes: 4, fromByte: 0, newlines: 2 };
    }),
    read: {
      format: null,
      delimiter: null,
      quote: null,
      encoding: null,
      header: null,
      nulls: [],
      sheet: null,
      headerRow: null,
      skip: null,
      escapeMark: null,
      comment: null,
      folders: false,
      names: [],
      table: null,
    },
    sampled: false,
    limits: {
      rowsMax: 1000,
      decodedBytesMax: 1e9,
      timeMs: limits.timeMs ?? 20_000,
      memoryBytes: limits.memoryBytes ?? 800 * MIB,
      threads: 1,
    },
  };
}

/** Resolves when a worker has begun with a file. */
async function reached(folder: TempFolder, name: string): Promise<void> {
  const path = join(folder.path, `${name}.reached`);
  while (!existsSync(path)) await new Promise((resolve) => setImmediate(resolve));
}

/** Resolves when a count has gone up by so many. */
async function turns(count: () => number, by: number): Promise<void> {
  const end = count() + by;
  while (count() < end) await new Promise((resolve) => setImmediate(resolve));
}

async function failure(promise: Promise<unknown>): Promise<LakeError> {
  const error = await promise.then(
    () => new Error("nothing was thrown"),
    (thrown: unknown) => thrown,
  );
  if (!(error instanceof LakeError)) throw error;
  return error;
}

describe("foreign workers", () => {
  test("read a file that they may, in a process of their own each time", async () => {
    await using folder = await tempFolder();
    await using opened = open(folder);
    const request = inspecting(folder, ["a[1]*.txt", "ü b'.txt"]);
    const answer = await opened.engine.inspect(request);
    expect(answer.files.map((file) => file.name)).toEqual(["a[1]*.txt", "ü b'.txt"]);
    expect((await opened.engine.inspect(request)).files).toHaveLength(2);
  });

  test("a crash names the file, and the next request works", async () => {
    await using folder = await tempFolder();
    await using opened = open(folder);
    const error = await failure(opened.engine.inspect(inspecting(folder, ["ok.txt", "crash"])));
    expect(error.code).toBe("input");
    expect(error.context).toMatchObject({ killed: "crash", file: "crash", signal: "SIGSEGV" });
    expect(error.message).toContain("the worker that read crash died (SIGSEGV)");
    expect(error.hint).not.toBeNull();
    expect((await opened.engine.inspect(inspecting(folder, ["ok.txt"]))).files).toHaveLength(1);
  });

  test("a worker that leaves by itself, or whose engine breaks, is a crash too", async () => {
    await using folder = await tempFolder();
    await using opened = open(folder);
    const left = await failure(opened.engine.inspect(inspecting(folder, ["exit"])));
    expect(left.context).toMatchObject({ killed: "crash", file: "exit", signal: "exit code 7" });
    const broken = await failure(opened.engine.inspect(inspecting(folder, ["internal"])));
    expect(broken.context).toMatchObject({ killed: "crash", file: "internal" });
  });

  test.each(["hang", "spin"])("the watchdog ends a %s", async (how) => {
    await using folder = await tempFolder();
    let [nowMs, stepMs] = [0, 0];
    await using opened = open(folder, { nowMs: () => (nowMs += stepMs) });
    const asked = inspecting(folder, ["ok.txt", how], { timeMs: 8_000 });
    const answer = failure(opened.engine.inspect(asked));
    await reached(folder, how);
    // From one look to the next; what the worker said before may still be on its way to the engine.
    stepMs = 8_001;
    expect((await answer).context).toMatchObject({ killed: "time", file: how });
    stepMs = 0;
    expect((await opened.engine.inspect(inspecting(folder, ["ok.txt"]))).files).toHaveLength(1);
  });

  test("the time that a worker takes to start is not that of its files", async () => {
    await using folder = await tempFolder();
    let nowMs = 0;
    await using opened = open(folder, { nowMs: () => nowMs });
    const answer = opened.engine.inspect(inspecting(folder, ["ok.txt"], { timeMs: 8_000 }));
    nowMs = 8_001;
    expect((await answer).files).toHaveLength(1);
  });

  test("the time that files may take is from one to the next, however many there are", async () => {
    await using folder = await tempFolder();
    let [nowMs, looks] = [0, 0];
    const look = (): number => {
      looks++;
      return nowMs;
    };
    await using opened = open(folder, { nowMs: look });
    const names = ["wait 1", "wait 2", "wait 3", "wait 4"];
    const answer = opened.engine.inspect(inspecting(folder, names, { timeMs: 8_000 }));
    for (const name of names) {
      await reached(folder, name);
      await turns(() => looks, 3);
      nowMs += 2_500;
      await turns(() => looks, 3);
      writeFileSync(join(folder.path, `${name}.go`), "");
    }
    expect((await answer).files).toHaveLength(4);
  });

  test("the watchdog ends one that names its files over and over", async () => {
    await using folder = await tempFolder();
    let [nowMs, stepMs] = [0, 0];
    await using opened = open(folder, { nowMs: () => (nowMs += stepMs) });
    const asked = inspecting(folder, ["a.txt", "chat"], { timeMs: 8_000 });
    const answer = failure(opened.engine.inspect(asked));
    await reached(folder, "chat");
    stepMs = 1_000;
    expect((await answer).context).toMatchObject({ killed: "time" });
  });

  test("the watchdog ends a memory hog", async () => {
    await using folder = await tempFolder();
    await using opened = open(folder);
    const asked = inspecting(folder, ["hog"], { memoryBytes: 400 * MIB });
    const error = await failure(opened.engine.inspect(asked));
    expect(error.context).toMatchObject({ killed: "memory", file: "hog" });
    expect(error.message).toContain("400 MiB");
  });

  test("an answer about a file that was not asked for is refused", async () => {
    await using folder = await tempFolder();
    await using opened = open(folder);
    const error = await failure(opened.engine.inspect(inspecting(folder, ["lie"])));
    expect(error.code).toBe("internal");
    expect(error.message).toContain("/etc/passwd");
  });

  test("an operation that workers do not have says so", async () => {
    await using folder = await tempFolder();
    await using opened = open(folder);
    const request = inspecting(folder, ["ok.txt"]);
    const error = await failure(opened.engine.rowTexts(request as never));
    expect(error.code).toBe("unsupported");
  });

  test("a program that is no worker is a clean error", async () => {
    await using folder = await tempFolder();
    await using opened = open(folder, { command: ["/bin/false"] });
    const error = await failure(opened.engine.inspect(inspecting(folder, ["ok.txt"])));
    expect(error.context).toMatchObject({ signal: "exit code 1" });
    // It read nothing: no file is to blame.
    expect(error.context.killed).toBeUndefined();
  });
});

describe("warm workers", () => {
  test("keep their process, and a kill -9 in the middle is a clean error", async () => {
    await using folder = await tempFolder();
    await using opened = open(folder);
    const first = await opened.engine.analyze(asked("who"));
    const second = await opened.engine.analyze(
      asked("select 42 as x, current_setting('TimeZone') as z"),
    );
    expect(second.drivers[0]).toBe(first.drivers[0] ?? "");
    expect(second.drivers[1]).toBe('{"x":42,"z":"UTC"}');
    const pid = Number(first.drivers[0]);
    const hanging = failure(opened.engine.analyze(asked("hang")));
    process.kill(pid, "SIGKILL");
    const error = await hanging;
    expect(error.code).toBe("io");
    expect(error.context).toMatchObject({ killed: "crash", operation: "analyze" });
    const third = await opened.engine.analyze(asked("who"));
    expect(third.drivers[0]).not.toBe(first.drivers[0] ?? "");
  });

  test("have an instance of one thread for few rows, beside the other", async () => {
    await using folder = await tempFolder();
    await using opened = open(folder, { threads: 3 });
    const sql = "current_setting('threads')::int as n, current_setting('temp_directory') as f";
    const answers: string[] = [];
    for (const few of ["", "/* few */", "", "/* few */"]) {
      answers.push((await opened.engine.analyze(asked(`select ${few} ${sql}`))).drivers[1] ?? "");
    }
    const [usual = "", own = ""] = answers;
    expect(answers).toEqual([usual, own, usual, own]);
    expect([JSON.parse(usual).n, JSON.parse(own).n]).toEqual([3, 1]);
    expect(JSON.parse(own).f).toBe(`${JSON.parse(usual).f}/few`);
  });

  test("what is small has one beside a long one, and more memory where it needs that", async () => {
    await using folder = await tempFolder();
    await using opened = open(folder, { isBeside: true, memoryBytes: 2048 * MIB });
    const { engine } = opened;
    const [pid = ""] = (await engine.analyze(asked("who"))).drivers;
    // Asked for at once: the second one is not behind the first.
    const hanging = failure(engine.analyze(asked("hang")));
    const [other = ""] = (await engine.analyze(asked("who"))).drivers;
    expect(other).not.toBe(pid);
    const list = "select len(list(hash(i)))::int as n from range(9000000) t(i)";
    const large = engine.analyze(asked(list));
    process.kill(Number(pid), "SIGKILL");
    await hanging;
    const [last, answer] = (await large).drivers;
    expect([answer, last === other]).toEqual(['{"n":9000000}', false]);
  });

  test("leave nothing of one request to the next", async () => {
    await using folder = await tempFolder();
    await using opened = open(folder);
    const count = "select count(*)::int as n from duckdb_temporary_files()";
    const error = await failure(
      opened.engine.analyze(asked("select * from read_text('/etc/passwd')")),
    );
    expect(error.code).toBe("sql");
    expect(error.message).toContain("disabled by configuration");
    expect((await opened.engine.analyze(asked(count))).drivers[1]).toBe('{"n":0}');
  });

  test("an error of the statement has its place and does not end the worker", async () => {
    await using folder = await tempFolder();
    await using opened = open(folder);
    const before = await opened.engine.analyze(asked("who"));
    const error = await failure(opened.engine.analyze(asked("select\n  foo")));
    expect(error.code).toBe("sql");
    expect(error.place).toMatchObject({ line: 2, column: 3, length: 3 });
    expect((await opened.engine.analyze(asked("who"))).drivers).toEqual([...before.drivers]);
  });

  test("leave Ctrl-C and a stop of the whole group to the engine", async () => {
    await using folder = await tempFolder();
    await using opened = open(folder);
    const before = await opened.engine.analyze(asked("who"));
    for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
      process.kill(Number(before.drivers[0]), signal);
    }
    expect((await opened.engine.analyze(asked("who"))).drivers).toEqual([...before.drivers]);
  });

  test("retire when idle, and remove their folder", async () => {
    await using folder = await tempFolder();
    await using opened = open(folder, { idleMs: 50 });
    const pid = Number((await opened.engine.analyze(asked("who"))).drivers[0]);
    while (isAlive(pid)) await new Promise((resolve) => setImmediate(resolve));
    const temp = join(folder.path, "temp");
    while (readdirSync(temp).length > 0) await new Promise((resolve) => setImmediate(resolve));
  });

  test.skipIf(process.platform !== "linux")("inherit nothing but their pipes", async () => {
    await using folder = await tempFolder();
    await using opened = open(folder);
    const secret = join(folder.path, "secret");
    writeFileSync(secret, "x");
    const held = Bun.file(secret).stream().getReader();
    await held.read();
    const pid = Number((await opened.engine.analyze(asked("who"))).drivers[0]);
    const targets = readdirSync(`/proc/${pid}/fd`).map((fd) =>
      readlinkSync(`/proc/${pid}/fd/${fd}`),
    );
    expect(targets.filter((target) => target.startsWith(folder.path))).toEqual([]);
    const environment = readFileSync(`/proc/${pid}/environ`, "utf8").split("\0");
    expect(environment.some((entry) => entry.startsWith("TARN_SEED"))).toBe(false);
  });
});

test("a spill folder that others may write to is refused", async () => {
  await using folder = await tempFolder();
  mkdirSync(join(folder.path, "temp"));
  chmodSync(join(folder.path, "temp"), 0o777);
  await using opened = open(folder);
  const error = await failure(opened.engine.analyze(asked("who")));
  expect(error.message).toContain("is not a folder that only you can write to");
});

describe("an engine that goes away", () => {
  test("close answers what is open and leaves no process and no folder", async () => {
    await using folder = await tempFolder();
    const { engine } = open(folder);
    const pid = Number((await engine.analyze(asked("who"))).drivers[0]);
    const answer = failure(engine.inspect(inspecting(folder, ["hang"])));
    await new Promise((resolve) => setImmediate(resolve));
    await engine.close();
    expect((await answer).code).toBe("io");
    expect((await answer).message).toBe("inspect was stopped before it was done");
    expect(isAlive(pid)).toBe(false);
    expect(readdirSync(join(folder.path, "temp"))).toEqual([]);
    expect((await failure(engine.analyze(asked("who")))).code).toBe("internal");
  });

  test("a killed parent takes its workers along, also one that never looks up", async () => {
    await using folder = await tempFolder();
    const script = join(folder.path, "parent.ts");
    const client = join(import.meta.dir, "../../../../sql/worker/client.ts");
    writeFileSync(
      script,
      `import { openWorkerEngine, workerEnvironment } from ${JSON.stringify(client)};
       const engine = openWorkerEngine({ command: [process.execPath, ${JSON.stringify(ENTRY)}],
         environment: workerEnvironment(process.env), memoryBytes: 1e9, foreignMax: 1, warmMax: 1,
         folders: [], tempFolder: ${JSON.stringify(join(folder.path, "temp"))} });
       const { drivers } = await engine.analyze({ sql: "who", conditions: [] });
       engine.analyze({ sql: "spin", conditions: [] }).catch(() => {});
       console.log(drivers[0]);`,
    );
    const parent = Bun.spawn([process.execPath, script], { stdio: ["ignore", "pipe", "inherit"] });
    const { value } = await parent.stdout.getReader().read();
    const pid = Number(new TextDecoder().decode(value));
    expect(isAlive(pid)).toBe(true);
    parent.kill("SIGKILL");
    await parent.exited;
    while (isRunning(pid)) await new Promise((resolve) => setImmediate(resolve));
    await using opened = open(folder);
    expect(opened.engine).toBeDefined();
    expect(readdirSync(join(folder.path, "temp"))).toEqual([]);
  });
});

function asked(sql: string): AnalyzeRequest {
  return { sql, conditions: [] };
}

/** A process whose parent died may stay as a zombie where nothing reaps. */
function isRunning(pid: number): boolean {
  if (!existsSync(`/proc/${pid}/stat`)) return isAlive(pid) && process.platform !== "linux";
  return !/\) [ZX] /.test(readFileSync(`/proc/${pid}/stat`, "utf8"));
}
