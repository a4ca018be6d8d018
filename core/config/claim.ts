/** Which source takes which dropped file: configured sources first, then the folders and files of `drops/` by name. */

import { must } from "../base/assert.ts";
import { compileGlob, escapeGlob, type Glob } from "../base/glob.ts";
import { compareCodePoints } from "../base/order.ts";
import type { LakeConfig } from "../config.ts";
import type { FileSourceConfig } from "../ingest/contract.ts";
import { namePartFrom } from "../table/name.ts";
import { DROPS_FOLDER, defaultSource } from "./file-source.ts";

/** What a listing of drops comes to. Order: configured sources as written, then the others by name. */
export interface Claims {
  readonly sources: readonly FileSourceConfig[];
  readonly sourceByPath: ReadonlyMap<string, FileSourceConfig>;
  readonly unclaimed: readonly Unclaimed[];
}

/** A file that nobody takes, with the reason that `status` shows. */
export interface Unclaimed {
  readonly path: string;
  readonly reason: string;
}

/** Extensions that a source without settings reads; the last one may be a compression. */
const DATA_EXTENSIONS: ReadonlySet<string> = new Set(
  "csv tsv tab psv txt dat json jsonl ndjson parquet pq avro xlsx".split(" "),
);
const COMPRESSIONS: ReadonlySet<string> = new Set(["gz", "gzip", "zst", "zstd", "zip"]);

/**
 * Maps dropped paths (relative to the project, with `/`) to their sources. A path that two configured sources match is
 * unclaimed, never guessed; so is a folder whose name belongs to a source that reads elsewhere.
 */
export function sourcesFor(config: LakeConfig, listing: Iterable<string>): Claims {
  const configured = config.sources.map(configuredSource);
  const derived = new DerivedSources(configured);
  const sourceByPath = new Map<string, FileSourceConfig>();
  const nameByPath = new Map<string, string>();
  const unclaimed: Unclaimed[] = [];
  for (const path of listing) {
    const takers = configured.filter((entry) => entry.glob.matches(path));
    const [first, second] = takers;
    if (first !== undefined && second === undefined) {
      sourceByPath.set(path, first.source);
    } else if (first !== undefined) {
      const names = takers.map((entry) => `"${entry.source.name}"`).join(" and ");
      unclaimed.push({ path, reason: `sources ${names} both match it: narrow one path` });
    } else {
      const claim = derived.claim(path);
      if (claim.kind === "name") nameByPath.set(path, claim.name);
      else unclaimed.push({ path, reason: claim.reason });
    }
  }
  const derivedByName = derived.sources();
  for (const [path, name] of nameByPath) {
    sourceByPath.set(path, must(derivedByName.get(name), "every claimed name has a source"));
  }
  const others = [...derivedByName.values()].sort((a, b) => compareCodePoints(a.name, b.name));
  return { sources: [...config.sources, ...others], sourceByPath, unclaimed };
}

interface ConfiguredSource {
  readonly source: FileSourceConfig;
  readonly glob: Glob;
}

function configuredSource(source: FileSourceConfig): ConfiguredSource {
  const compiled = compileGlob(source.path);
  // A path was checked when the configuration was read; one that fails here matches nothing.
  const nothing: Glob = { pattern: source.path, folder: "", matches: () => false };
  return { source, glob: compiled.kind === "glob" ? compiled.glob : nothing };
}

type Claim =
  | { readonly kind: "name"; readonly name: string }
  | { readonly kind: "none"; readonly reason: string };

/** The sources that folders and files under `drops/` make by their names. */
class DerivedSources {
  readonly #configured: readonly ConfiguredSource[];
  readonly #globsByName = new Map<string, Set<string>>();

  constructor(configured: readonly ConfiguredSource[]) {
    this.#configured = configured;
  }

  claim(path: string): Claim {
    const [root, second, ...rest] = path.split("/");
    if (root !== DROPS_FOLDER || second === undefined) {
      return { kind: "none", reason: "no source's path matches it" };
    }
    const isFile = rest.length === 0;
    const stem = isFile ? stemOf(second) : second;
    if (stem === "") return { kind: "none", reason: "a hidden file" };
    const name = namePartFrom(stem);
    const taken = this.#taken(name, isFile ? path : `${DROPS_FOLDER}/${second}/`);
    if (taken !== null) return { kind: "none", reason: taken };
    const file = rest.at(-1) ?? second;
    const strange = strangeExtension(file);
    if (strange !== null) {
      return {
        kind: "none",
        reason: `".${strange}" is no data format: name it in a source's path`,
      };
    }
    const folder = `${DROPS_FOLDER}/${escapeGlob(stem)}`;
    const whole = second === stem ? folder : `${folder}.*`;
    const globs = this.#globsByName.get(name) ?? new Set();
    this.#globsByName.set(name, globs.add(isFile ? whole : `${folder}/**`));
    return { kind: "name", name };
  }

  /** One source per name; several folders or files of one name (`Orders`, `orders`) share it. */
  sources(): ReadonlyMap<string, FileSourceConfig> {
    const result = new Map<string, FileSourceConfig>();
    for (const [name, globs] of this.#globsByName) {
      const sorted = [...globs].sort(compareCodePoints);
      const path = sorted.length === 1 ? (sorted[0] ?? "") : `{${sorted.join(",")}}`;
      result.set(name, defaultSource(name, path));
    }
    return result;
  }

  /** Why a name or a folder is not free for a source by default. */
  #taken(name: string, folder: string): string | null {
    for (const { source, glob } of this.#configured) {
      if (glob.folder !== "" && glob.folder.startsWith(folder)) {
        return `source "${source.name}" takes only ${source.path} here`;
      }
      const isSame = source.name === name || source.into === `bronze.${name}`;
      if (isSame) return `source "${source.name}" has this name and takes ${source.path}`;
    }
    return null;
  }
}

function stemOf(file: string): string {
  const dot = file.indexOf(".");
  return dot < 0 ? file : file.slice(0, dot);
}

/** The extension that is not one of data; digits (`.2026-11-20`, `.1`) are part of a name, not an extension. */
function strangeExtension(file: string): string | null {
  const parts = file.toLowerCase().split(".").slice(1);
  let extension = parts.pop();
  if (extension !== undefined && COMPRESSIONS.has(extension)) extension = parts.pop();
  while (extension !== undefined && /\d/.test(extension)) extension = parts.pop();
  return extension === undefined || DATA_EXTENSIONS.has(extension) ? null : extension;
}
