/** The platforms that the binary is built for, and where their native files and runtimes come from. */

import { existsSync, mkdirSync, readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { errorText, LakeError } from "../../core/base/errors.ts";

export const TARGETS = ["linux-x64", "linux-arm64", "darwin-x64", "darwin-arm64"] as const;
export type Target = (typeof TARGETS)[number];

export interface NativePaths {
  readonly addon: string;
  readonly library: string;
}

/** DuckDB's two native files for a platform: installed by npm for this one, fetched into dist for others. */
export async function nativePaths(
  target: Target,
  root: string,
  dist: string,
  host: string,
): Promise<NativePaths> {
  const bindings = join(root, "node_modules/@duckdb/node-bindings");
  const { version } = await Bun.file(join(bindings, "package.json")).json();
  const installed = `${bindings}-${target}`;
  const folder =
    target === host && existsSync(installed)
      ? installed
      : fetchPackage(`@duckdb/node-bindings-${target}`, String(version), dist);
  const library = readdirSync(folder).find((name) => /^libduckdb\.(so|dylib)$/.test(name));
  if (library === undefined || !existsSync(join(folder, "duckdb.node"))) {
    throw new LakeError("io", `${folder} does not hold duckdb.node and libduckdb`, {
      hint: "remove it and build again",
    });
  }
  return { addon: join(folder, "duckdb.node"), library: join(folder, library) };
}

/** The Bun that becomes the binary: this very one (null), or the platform's package. */
export async function runtimePath(
  target: Target,
  root: string,
  dist: string,
  host: string,
): Promise<string | null> {
  if (target === host) return null;
  const { version } = await Bun.file(join(root, "node_modules/bun/package.json")).json();
  const platform = target.replace("arm64", "aarch64");
  return join(fetchPackage(`@oven/bun-${platform}`, String(version), dist), "bin", "bun");
}

/** Unpacks an npm package into dist once, by npm itself, which checks its integrity. */
function fetchPackage(name: string, version: string, dist: string): string {
  const folder = join(dist, "packages", `${name.replace("/", "-")}-${version}`);
  if (existsSync(join(folder, "package", "package.json"))) return join(folder, "package");
  mkdirSync(folder, { recursive: true });
  try {
    run(folder, ["npm", "pack", "--loglevel=error", `${name}@${version}`]);
    const archive = readdirSync(folder).find((file) => file.endsWith(".tgz")) ?? "nothing";
    run(folder, ["tar", "-xzf", archive]);
  } catch (thrown) {
    rmSync(folder, { recursive: true, force: true });
    throw new LakeError("io", `${name}@${version} cannot be fetched:\n${errorText(thrown)}`, {
      hint: "a binary for another platform needs exactly this version from your npm registry",
      cause: thrown,
    });
  }
  return join(folder, "package");
}

function run(folder: string, command: string[]): void {
  const child = Bun.spawnSync(command, { cwd: folder, stdout: "ignore" });
  if (!child.success) throw new Error(child.stderr.toString().trim());
}
