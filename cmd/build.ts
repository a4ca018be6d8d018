/** Builds the single binary: `npm run build`, or with `--target linux-arm64` for another platform. */

import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";
import type { BunPlugin } from "bun";
import { LakeError } from "../core/base/errors.ts";
import { partsPlugin } from "./binary/parts.ts";
import {
  type NativePaths,
  nativePaths,
  runtimePath,
  TARGETS,
  type Target,
} from "./binary/platform.ts";
import { signed } from "./binary/signature.ts";

const ROOT = resolve(import.meta.dir, "..");
const DIST = join(ROOT, "dist");
/** 9 is 3 seconds for 20 MB; 19 would be a minute for 18 MB. */
const COMPRESSION_LEVEL = 9;

try {
  await main();
} catch (thrown) {
  if (!(thrown instanceof LakeError)) throw thrown;
  fail(`${thrown.message}\nhint: ${thrown.hint}`);
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: { target: { type: "string" }, outfile: { type: "string" } },
  });
  const host = `${process.platform}-${process.arch}`;
  const target = TARGETS.find((name) => name === (values.target ?? host));
  if (target === undefined) fail(`no such target; there are ${TARGETS.join(", ")}`);
  const name = target === host ? "tarn" : `tarn-${target}`;
  const outfile = values.outfile === undefined ? join(DIST, name) : resolve(values.outfile);
  mkdirSync(DIST, { recursive: true });
  const work = join(DIST, `.build-${target}-${process.pid}`);
  mkdirSync(work, { recursive: true });
  const startedMs = performance.now();
  try {
    const native = await nativePaths(target, ROOT, DIST, host);
    await build(target, outfile, native, work, await runtimePath(target, ROOT, DIST, host));
    if (target.startsWith("darwin-")) await sign(outfile);
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
  const megabytes = Math.round(Bun.file(outfile).size / 1e6);
  const seconds = ((performance.now() - startedMs) / 1000).toFixed(1);
  console.log(`${outfile}  ${megabytes} MB  ${seconds} s`);
}

async function build(
  target: Target,
  outfile: string,
  native: NativePaths,
  work: string,
  runtime: string | null,
): Promise<void> {
  const version: string = (await Bun.file(join(ROOT, "package.json")).json()).version;
  const result = await Bun.build({
    entrypoints: [join(ROOT, "cmd", "main.ts")],
    root: ROOT,
    target: "bun",
    format: "esm",
    // A command loads only its own part: 12 ms of start instead of 28.
    splitting: true,
    minify: { whitespace: true, syntax: true, identifiers: false },
    bytecode: true,
    sourcemap: "none",
    define: {
      LAKE_VERSION: JSON.stringify(version),
      LAKE_BUILD: JSON.stringify(await buildId(target)),
    },
    plugins: [
      await nativePlugin(native, work),
      zonePlugin(),
      packedPlugin(work),
      partsPlugin(ROOT),
    ],
    compile: {
      target: `bun-${target}`,
      outfile,
      // What runs once is not worth compiling: an eighth of a start. cmd/main.ts ends it.
      jitPolicy: 8,
      ...(runtime === null ? {} : { executablePath: runtime }),
      autoloadBunfig: false,
      autoloadDotenv: false,
      autoloadTsconfig: false,
      autoloadPackageJson: false,
    },
  });
  if (!result.success) fail(result.logs.map(String).join("\n"));
}

async function sign(outfile: string): Promise<void> {
  const binary = await Bun.file(outfile).bytes();
  const made = signed(binary, "tarn");
  if (made !== binary) writeFileSync(outfile, made);
}

/** In the binary the native files are ours, and so is the module that finds them. */
async function nativePlugin(native: NativePaths, work: string): Promise<BunPlugin> {
  const files: string[] = [];
  const imports: string[] = [];
  for (const [index, path] of [native.addon, native.library].entries()) {
    const bytes = await Bun.file(path).bytes();
    const name = path.slice(path.lastIndexOf("/") + 1);
    const packed = join(work, `${name}.zst`);
    await Bun.write(packed, Bun.zstdCompressSync(bytes, { level: COMPRESSION_LEVEL }));
    const sha256 = new Bun.CryptoHasher("sha256").update(bytes).digest("hex");
    imports.push(`import file${index} from ${JSON.stringify(packed)} with { type: "file" };`);
    files.push(
      `{ name: ${JSON.stringify(name)}, embedded: file${index}, sha256: "${sha256}", sizeBytes: ${bytes.length} }`,
    );
  }
  const embedded = `${imports.join("\n")}\nexport const NATIVE_FILES = [${files.join(", ")}];\n`;
  const addon = JSON.stringify(join(ROOT, "sql/duckdb/native-addon.ts"));
  const bindings = `module.exports = require(${addon}).nativeAddon();`;
  return {
    name: "native-files",
    setup(builder) {
      builder.onLoad({ filter: /[\\/]sql[\\/]duckdb[\\/]native-files\.ts$/ }, () => ({
        contents: embedded,
        loader: "ts",
      }));
      builder.onResolve({ filter: /^@duckdb\/node-bindings$/ }, () => ({
        path: "duckdb-addon",
        namespace: "native",
      }));
      builder.onLoad({ filter: /^duckdb-addon$/, namespace: "native" }, () => ({
        contents: bindings,
        loader: "js",
      }));
    },
  };
}

/** A module of 23 MB that few commands read: packed it is an eighth. `cmd/spark/library.ts` unpacks it. */
function packedPlugin(work: string): BunPlugin {
  return {
    name: "packed",
    setup(builder) {
      builder.onResolve(
        { filter: /^@polyglot-sql\/sdk\/polyglot_sql\.wasm$/ },
        async ({ path }) => {
          const packed = join(work, "polyglot_sql.wasm.zst");
          const bytes = await Bun.file(Bun.resolveSync(path, ROOT)).bytes();
          await Bun.write(packed, Bun.zstdCompressSync(bytes, { level: COMPRESSION_LEVEL }));
          return { path: packed };
        },
      );
    },
  };
}

/**
 * Asking for the machine's zone loads the time zones of ICU, which is a tenth of a cold query; the answer is
 * overwritten in sql/duckdb/native.ts.
 */
function zonePlugin(): BunPlugin {
  return {
    name: "zone",
    setup(builder) {
      builder.onLoad({ filter: /[\\/]DuckDBTimestampTZValue\.js$/ }, async ({ path }) => {
        const source = await Bun.file(path).text();
        const contents = source.replace("-new Date().getTimezoneOffset()", "0");
        if (contents === source) fail(`${path} reads the zone of the machine in another way`);
        return { contents, loader: "js" };
      });
    },
  };
}

/** The commit, so that two binaries of one version can be told apart; `dev` outside of a checkout. */
async function buildId(target: Target): Promise<string> {
  const git = Bun.spawnSync(["git", "-C", ROOT, "describe", "--always", "--dirty", "--abbrev=12"]);
  const commit = git.success ? git.stdout.toString().trim() : "dev";
  return `${commit} ${target} bun-${Bun.version}`;
}

function fail(message: string): never {
  console.error(`build: ${message}`);
  process.exit(2);
}
