/** The platforms that the binary is built for, and where their native files and runtimes come from. */

import { existsSync, mkdirSync, readdirSync } from "node:fs";
import { dirname, join } from "node:path";
import { LakeError } from "../core/base/errors.ts";

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
  const npm = Bun.spawnSync(
    ["npm", "pack", "--silent", "--pack-destination", folder, `${name}@${version}`],
    {
      cwd: dirname(folder),
    },
  );
  const archive = readdirSync(folder).find((file) => file.endsWith(".tgz"));
  if (!npm.success || archive === undefined) {
    throw new LakeError("io", `npm has no ${name}@${version}: ${npm.stderr.toString().trim()}`, {
      hint: "building for another platform needs its packages from the npm registry",
    });
  }
  const tar = Bun.spawnSync(["tar", "-xzf", archive], { cwd: folder });
  if (!tar.success) {
    throw new LakeError("io", `${archive} cannot be unpacked: ${tar.stderr.toString().trim()}`, {
      hint: `remove ${folder} and build again`,
    });
  }
  return join(folder, "package");
}
