/** The built binary: alone in a folder, deaf to the configuration files around it, clear when it cannot unpack. */

import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { chmodSync, copyFileSync, mkdirSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openWorkerEngine, workerEnvironment } from "../../../sql/worker/client.ts";
import { tempFolder } from "../../support/temp-folder.ts";

const ROOT = join(import.meta.dir, "../../..");
const BINARY = join(tmpdir(), `lake-build-test-${process.pid}`, "tarn");
const BUILD_MS = 120_000;

beforeAll(async () => {
  mkdirSync(join(BINARY, ".."), { recursive: true });
  const build = Bun.spawn(
    [process.execPath, "run", join(ROOT, "cmd/build.ts"), "--outfile", BINARY],
    { stdio: ["ignore", "pipe", "pipe"] },
  );
  const text = await new Response(build.stderr).text();
  if ((await build.exited) !== 0) throw new Error(text);
}, BUILD_MS);

afterAll(() => rmSync(join(BINARY, ".."), { recursive: true, force: true }));

async function run(cwd: string, args: readonly string[], environment: Record<string, string> = {}) {
  const child = Bun.spawn([join(cwd, "tarn"), ...args], {
    cwd,
    env: { HOME: cwd, TARN_CACHE_DIR: join(cwd, "cache"), ...environment },
    stdio: ["ignore", "pipe", "pipe"],
  });
  const [out, errors] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
  ]);
  return { out, errors, code: await child.exited };
}

/** Files that a Bun program would obey; each tries to leave a mark. */
function plant(folder: string): void {
  const mark = (name: string) =>
    `require("node:fs").writeFileSync(${JSON.stringify(join(folder, `mark-${name}`))}, "");`;
  const files = {
    "evil.ts": `${mark("preload")} console.log("EVIL");`,
    "bunfig.toml": `preload = ["./evil.ts"]\n[run]\npreload = ["./evil.ts"]\n[define]\n"LAKE_BUILD" = "'EVIL'"\n`,
    ".env":
      "LAKE_VERSION=EVIL\nTARN_CACHE_DIR=/nonexistent/evil\nBUN_OPTIONS=--preload=./evil.ts\n",
    ".env.local": "TARN_CACHE_DIR=/nonexistent/evil\n",
    ".env.production": "TARN_CACHE_DIR=/nonexistent/evil\n",
    "tsconfig.json": `{"compilerOptions":{"paths":{"*":["./evil.ts"]},"jsx":"react","baseUrl":"."}}`,
    "jsconfig.json": `{"compilerOptions":{"paths":{"*":["./evil.ts"]}}}`,
    "package.json": `{"name":"evil","type":"commonjs","imports":{"#x":"./evil.ts"},"browser":{"fs":"./evil.ts"}}`,
    ".npmrc": "registry=http://localhost:1/\n",
  };
  for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text);
  for (const name of ["@duckdb/node-bindings", "@duckdb/node-api", "parquet-wasm"]) {
    mkdirSync(join(folder, "node_modules", name), { recursive: true });
    writeFileSync(join(folder, "node_modules", name, "index.js"), mark("module"));
  }
}

async function buildOf(folder: string): Promise<string> {
  const { out } = await run(folder, ["--version"]);
  return /\((.+)\)/.exec(out)?.[1] ?? "";
}

describe("dist/tarn", () => {
  test("runs alone and says which build it is", async () => {
    await using folder = await tempFolder();
    copyFileSync(BINARY, join(folder.path, "tarn"));
    const { out, errors, code } = await run(folder.path, ["--version"]);
    expect([code, errors]).toEqual([0, ""]);
    expect(out).toMatch(/^tarn \d+\.\d+\.\d+ \(\S+ (linux|darwin)-(x64|arm64) bun-\d/);
    expect(readdirSync(folder.path)).toEqual(["tarn"]);
  });

  test.each([false, true])("its worker answers in a hostile folder: %p", async (hostile) => {
    await using folder = await tempFolder();
    if (hostile) plant(folder.path);
    copyFileSync(BINARY, join(folder.path, "tarn"));
    const script = 'cd "$1" && exec "$1/tarn" __worker "$2"';
    const build = await buildOf(folder.path);
    const wrapped = ["/bin/sh", "-c", script, "sh", folder.path, build];
    const engine = openWorkerEngine({
      command: wrapped,
      environment: { HOME: folder.path, TARN_CACHE_DIR: join(folder.path, "cache"), PATH: "/bin" },
      memoryBytes: 1e9,
      foreignMax: 1,
      warmMax: 1,
      folders: [],
      tempFolder: join(folder.path, "temp"),
    });
    expect(await engine.probe()).toEqual({ version: "v1.5.6" });
    await engine.close();
    const { out } = await run(folder.path, ["--version"]);
    expect(out).not.toContain("EVIL");
    expect(readdirSync(folder.path).filter((name) => name.startsWith("mark-"))).toEqual([]);
    expect(readdirSync(join(folder.path, "cache"))).toHaveLength(1);
  });

  test("a worker of another build says so and does nothing", async () => {
    await using folder = await tempFolder();
    const engine = openWorkerEngine({
      command: [BINARY, "__worker", "an older build"],
      environment: workerEnvironment({ TARN_CACHE_DIR: join(folder.path, "cache") }),
      memoryBytes: 1e9,
      foreignMax: 1,
      warmMax: 1,
      folders: [],
      tempFolder: join(folder.path, "temp"),
    });
    const error: unknown = await engine.probe().catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ code: "io", hint: "stop it and start it again" });
    expect(String(error)).toContain("replaced by another build");
    await engine.close();
  });

  test("a cache folder that cannot be written is said once, with what to do", async () => {
    await using folder = await tempFolder();
    writeFileSync(join(folder.path, "file"), "");
    chmodSync(BINARY, 0o755);
    const engine = openWorkerEngine({
      command: [BINARY, "__worker", await buildOf(join(BINARY, ".."))],
      environment: { ...workerEnvironment({}), TARN_CACHE_DIR: join(folder.path, "file", "cache") },
      memoryBytes: 1e9,
      foreignMax: 1,
      warmMax: 1,
      folders: [],
      tempFolder: join(folder.path, "temp"),
    });
    const error: unknown = await engine.probe().catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ code: "io" });
    expect(String(error)).toContain("the SQL engine cannot be unpacked into");
    await engine.close();
  });
});
