/** Which source takes which dropped file: configured sources first, then the folders and files of `drops/` by name. */

import { must } from "../base/assert.ts";
import { compilePath, escapeGlob, type Glob } from "../base/glob.ts";
import { compareCodePoints } from "../base/order.ts";
import type { LakeConfig } from "../config.ts";
import type { FileSourceConfig } from "../ingest/contract.ts";
import { namePartFrom, SEEDS_LAYER } from "../table/name.ts";
import { DROPS_FOLDER, defaultSource, SEEDS_FOLDER, seedSource } from "./default-source.ts";
import type { FileFormats } from "./read-options.ts";

/** What a listing of drops comes to. Order: configured sources as written, then the others by name. */
export interface DealtDrops {
  readonly sources: readonly FileSourceConfig[];
  readonly sourceByPath: ReadonlyMap<string, FileSourceConfig>;
  readonly unclaimed: readonly Unclaimed[];
  /**
   * The source of one more path, as if it had been listed too; null where the listing as a whole comes to something
   * else with it.
   */
  readonly sourceOf: (path: string) => FileSourceConfig | null;
}

/** A file that nobody takes, with the reason that `status` shows. */
export interface Unclaimed {
  readonly path: string;
  readonly reason: string;
  /** Written by another program for itself: no news to anybody. */
  readonly isBookkeeping: boolean;
}

/** What the name of a file may end in, behind what its format is called. */
const COMPRESSIONS: ReadonlySet<string> = new Set(["gz", "gzip", "zst", "zstd", "zip"]);
/** Extensions of what tells whether another file is whole, or who wrote it. */
const SIDECARS: ReadonlySet<string> = new Set(
  (
    "crc crc32 crc32c md5 sha1 sha224 sha256 sha384 sha512 b2 b3 blake2b blake3 xxh64 xxh128 " +
    "checksum sum sfv asc sig sign minisig"
  ).split(" "),
);
const SUMS = /^(?:md5|sha\d+|b2|b3|check)sums?(?:\.txt)?$/i;
/** `.2026-11-20`, `.1`, `.20260101T0000Z`, `.part7`: a part of a name and no extension. */
const COUNTER = /^(?:\d[\d_+-]*(?:t[\d_+-]+z?)?|(?:v|q|part|chunk|page|batch|run)[_-]?\d+)$/;

/** What a path alone comes to under a configuration. */
type Decided =
  | { readonly kind: "source"; readonly source: FileSourceConfig }
  | { readonly kind: "name"; readonly name: string; readonly glob: string }
  | { readonly kind: "seed"; readonly name: string }
  | { readonly kind: "none"; readonly reason: string; readonly isBookkeeping?: boolean };

/** Of the last listing under each configuration: most paths of the next one are in it. */
const DECIDED = new WeakMap<LakeConfig, ReadonlyMap<string, Decided>>();

/**
 * Maps dropped paths (relative to the project, with `/`) to their sources. A path that two configured sources match is
 * unclaimed, never guessed; so is a folder whose name belongs to a source that reads elsewhere.
 */
export function sourcesFor(
  config: LakeConfig,
  listing: Iterable<string>,
  formats: FileFormats,
): DealtDrops {
  const configured = config.sources.map(configuredSource);
  const endings = new Set(Object.values(formats).flatMap((format) => format.endings));
  const before = DECIDED.get(config);
  const decidedByPath = new Map<string, Decided>();
  const globsByName = new Map<string, Set<string>>();
  const seedPaths = new Map<string, string[]>();
  for (const path of listing) {
    const decided = before?.get(path) ?? decide(configured, path, endings);
    decidedByPath.set(path, decided);
    if (decided.kind === "seed") {
      seedPaths.set(decided.name, [...(seedPaths.get(decided.name) ?? []), path]);
    }
    if (decided.kind !== "name") continue;
    const globs = globsByName.get(decided.name) ?? new Set();
    globsByName.set(decided.name, globs.add(decided.glob));
  }
  DECIDED.set(config, decidedByPath);
  const derivedByName = derivedSources(globsByName, config.misfits);
  const seedByName = seedSources(seedPaths, config);
  const sourceByPath = new Map<string, FileSourceConfig>();
  const unclaimed: Unclaimed[] = [];
  for (const [path, decided] of decidedByPath) {
    if (decided.kind === "source") sourceByPath.set(path, decided.source);
    else if (decided.kind === "none") {
      const { reason, isBookkeeping = false } = decided;
      unclaimed.push({ path, reason, isBookkeeping });
    } else if (decided.kind === "seed") {
      const paths = seedPaths.get(decided.name) ?? [];
      const seed = must(seedByName.get(decided.name), "every seed has a source");
      if (paths.length === 1) sourceByPath.set(path, seed);
      else unclaimed.push({ path, reason: twoSeeds(decided.name, paths), isBookkeeping: false });
    } else {
      const derived = derivedByName.get(decided.name);
      sourceByPath.set(path, must(derived, "every claimed name has a source"));
    }
  }
  const others = [...derivedByName.values(), ...seedByName.values()].sort((a, b) =>
    compareCodePoints(a.name, b.name),
  );
  const sourceOf = (path: string): FileSourceConfig | null => {
    const decided = decide(configured, path, endings);
    if (decided.kind === "source") return decided.source;
    if (decided.kind === "seed") {
      const seed = seedByName.get(decided.name);
      return seed?.path === path ? seed : null;
    }
    const isKnown = decided.kind === "name" && globsByName.get(decided.name)?.has(decided.glob);
    return isKnown === true ? (derivedByName.get(decided.name) ?? null) : null;
  };
  return { sources: [...config.sources, ...others], sourceByPath, unclaimed, sourceOf };
}

function decide(
  configured: readonly ConfiguredSource[],
  path: string,
  endings: ReadonlySet<string>,
): Decided {
  const bookkeeping = bookkeepingOf(path);
  const takers = configured.filter(
    ({ source, glob }) => glob.matches(path) && (bookkeeping?.isNamedBy(source.path) ?? true),
  );
  const [first, second] = takers;
  if (first === undefined && bookkeeping !== null) {
    return { kind: "none", reason: bookkeeping.reason, isBookkeeping: true };
  }
  if (first === undefined) return derive(configured, path, endings);
  if (second === undefined) return { kind: "source", source: first.source };
  const names = takers.map((entry) => `"${entry.source.name}"`).join(" and ");
  return { kind: "none", reason: `sources ${names} both match it: narrow one path` };
}

/**
 * What other writers keep for themselves beside their data: names that begin with `_`, which Spark, Hive and DuckDB
 * pass over, and checksums. Null for data. A source takes it where its path names it.
 */
function bookkeepingOf(
  path: string,
): { readonly reason: string; readonly isNamedBy: (pattern: string) => boolean } | null {
  const parts = path.split("/");
  if (parts.some((part) => part.startsWith("_"))) {
    const reason = "names that begin with _ are another writer's bookkeeping";
    return { reason, isNamedBy: (pattern) => /(?:^|[/{,])_/.test(pattern) };
  }
  const file = parts.at(-1) ?? "";
  const extension = file.slice(file.lastIndexOf(".") + 1).toLowerCase();
  const isSidecar = file.includes(".") && SIDECARS.has(extension);
  if (!isSidecar && !SUMS.test(file)) return null;
  const reason = "checksums and signatures are no data";
  const named = isSidecar ? `.${extension}` : file.toLowerCase();
  return { reason, isNamedBy: (pattern) => pattern.toLowerCase().includes(named) };
}

interface ConfiguredSource {
  readonly source: FileSourceConfig;
  readonly glob: Glob;
}

function configuredSource(source: FileSourceConfig): ConfiguredSource {
  const compiled = compilePath(source.path);
  // A path was checked when the configuration was read; one that fails here matches nothing.
  const nothing: Glob = { pattern: source.path, folder: "", matches: () => false };
  return { source, glob: compiled.kind === "glob" ? compiled.glob : nothing };
}

/** The source that a folder or a file under `drops/` makes by its name. */
function derive(
  configured: readonly ConfiguredSource[],
  path: string,
  endings: ReadonlySet<string>,
): Decided {
  const [root, second, ...rest] = path.split("/");
  if (root === SEEDS_FOLDER && second !== undefined) return seedOf(path, endings);
  if (root !== DROPS_FOLDER || second === undefined) {
    return { kind: "none", reason: "no source's path matches it" };
  }
  const isFile = rest.length === 0;
  const stem = isFile ? stemOf(second) : second;
  if (stem === "") return { kind: "none", reason: "a hidden file" };
  const name = namePartFrom(stem);
  const taken = takenBy(configured, name, isFile ? null : `${DROPS_FOLDER}/${second}/`);
  if (taken !== null) return { kind: "none", reason: taken };
  const file = rest.at(-1) ?? second;
  const strange = strangeExtension(file, endings);
  if (strange !== null) {
    const pattern = isFile ? path : `${DROPS_FOLDER}/${second}/**/*.${strange}`;
    const todo = `path: ${pattern} for ${name} in tarn.yaml lands it`;
    return { kind: "none", reason: `".${strange}" is no data format; if it holds data, ${todo}` };
  }
  const folder = `${DROPS_FOLDER}/${escapeGlob(stem)}`;
  const whole = second === stem ? folder : `${folder}.*`;
  return { kind: "name", name, glob: isFile ? whole : `${folder}/**` };
}

/** A file below `seeds/`, in whatever folder there. */
function seedOf(path: string, endings: ReadonlySet<string>): Decided {
  const file = path.slice(path.lastIndexOf("/") + 1);
  const stem = stemOf(file);
  if (stem === "") return { kind: "none", reason: "a hidden file" };
  if (/\.(?:ya?ml|md|sql)$/i.test(file)) {
    return { kind: "none", reason: "it is about seeds and none itself", isBookkeeping: true };
  }
  const strange = strangeExtension(file, endings);
  if (strange !== null) return { kind: "none", reason: `".${strange}" is no data format` };
  const name = namePartFrom(stem);
  if (name !== stem) {
    const reason = `"${stem}" cannot be a table's name: rename it to ${name}`;
    return { kind: "none", reason };
  }
  return { kind: "seed", name };
}

/** One that has two files takes neither. */
function seedSources(
  paths: ReadonlyMap<string, readonly string[]>,
  { seeds, misfits }: LakeConfig,
): ReadonlyMap<string, FileSourceConfig> {
  const result = new Map<string, FileSourceConfig>();
  for (const [name, [path = "", ...others]] of paths) {
    const only = others.length === 0 ? path : `${SEEDS_FOLDER}/`;
    result.set(name, seedSource(name, only, seeds.get(name), misfits));
  }
  return result;
}

function twoSeeds(name: string, paths: readonly string[]): string {
  return `${paths.join(" and ")} would both be ${SEEDS_LAYER}.${name}: rename one`;
}

/** One source per name; several folders or files of one name (`Orders`, `orders`) share it. */
function derivedSources(
  globsByName: ReadonlyMap<string, ReadonlySet<string>>,
  misfits: number,
): ReadonlyMap<string, FileSourceConfig> {
  const result = new Map<string, FileSourceConfig>();
  for (const [name, globs] of globsByName) {
    const sorted = [...globs].sort(compareCodePoints);
    const path = sorted.length === 1 ? (sorted[0] ?? "") : `{${sorted.join(",")}}`;
    result.set(name, defaultSource(name, path, misfits));
  }
  return result;
}

/** Why a name, or the folder that has it, is not free for a source by default. */
function takenBy(
  configured: readonly ConfiguredSource[],
  name: string,
  folder: string | null,
): string | null {
  for (const { source, glob } of configured) {
    if (folder !== null && glob.folder.startsWith(folder)) {
      return `source "${source.name}" takes only ${source.path} here`;
    }
    const isSame = source.name === name || source.into === `bronze.${name}`;
    if (isSame) return `source "${source.name}" has this name and takes ${source.path}`;
  }
  return null;
}

function stemOf(file: string): string {
  const dot = file.indexOf(".");
  return dot < 0 ? file : file.slice(0, dot);
}

/** The extension that is not one of data. */
function strangeExtension(file: string, endings: ReadonlySet<string>): string | null {
  const parts = file.toLowerCase().split(".").slice(1);
  let extension = parts.pop();
  if (extension !== undefined && COMPRESSIONS.has(extension)) extension = parts.pop();
  while (extension !== undefined && COUNTER.test(extension)) extension = parts.pop();
  return extension === undefined || endings.has(extension) ? null : extension;
}
