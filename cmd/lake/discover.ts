/** What there is to read at an address, or at the place of a declared source. */

import { readdirSync, statSync } from "node:fs";
import { basename, extname, join, relative, resolve } from "node:path";
import { LakeError } from "../../core/base/errors.ts";
import type { JsonObject } from "../../core/base/json.ts";
import type { Issue } from "../../core/config/shape.ts";
import { substitute } from "../../core/config.ts";
import { type Discovered, entryLines, type Finds } from "../../core/ingest/discovery.ts";
import type { SourceKind, StreamConfig } from "../../core/ingest/source-kind.ts";
import { namePartFrom } from "../../core/table/name.ts";
import { FORMATS } from "../../sql/decode/formats.ts";
import { secretOf } from "../../storage/disk/secrets.ts";
import { sourceKinds } from "../../storage/sources/kinds.ts";
import { systemClock, systemRandom } from "../clock.ts";
import { environmentOf, findProject, loadSettings } from "../project/project.ts";

export interface Discovery {
  readonly kind: string;
  /** The place, as it may be shown. */
  readonly at: string;
  readonly found: readonly Discovered[];
  /** To be pasted into tarn.yaml; no secret is in it. */
  readonly lines: readonly string[];
  /** Secrets that the lines name, to be set. */
  readonly secrets: readonly string[];
}

/** Files of a folder that are looked at. */
const FILES_MAX = 100_000;
const SCHEME = /^([a-z][a-z0-9+.-]*):\/\//i;

/**
 * `target` is an address, in which variables may stand, a folder, or the name of a declared source. Throws `usage` for
 * what is none, and what its kind throws.
 */
export async function discoverOf(folder: string, target: string): Promise<Discovery> {
  const root = await findProject(folder);
  const at = resolve(root ?? folder);
  const env = root === null ? process.env : environmentOf(root, process.env);
  const issues: Issue[] = [];
  const address = String(substitute(target, env, issues));
  const [wrong] = issues;
  if (wrong !== undefined) {
    throw new LakeError("usage", wrong.message, wrong.hint === null ? {} : { hint: wrong.hint });
  }
  const config = root === null ? null : await loadSettings(root, process.env);
  const declared = config?.streams.find(({ name }) => name === target) ?? null;
  const world = {
    projectRoot: at,
    clock: systemClock,
    random: systemRandom,
    secretOf: (name: string) =>
      secretOf({ root: at, declared: config?.secrets ?? new Map(), name }),
  };
  if (declared !== null) {
    const kind = (await sourceKinds([declared.kind])).byWord[declared.kind];
    const finds = (await kind?.discover(declared, world)) ?? nothing(declared);
    const lines = entryLines(declared.name, { kind: declared.kind, ...finds.keys });
    return { kind: declared.kind, at: finds.at, found: finds.found, lines, secrets: [] };
  }
  const scheme = SCHEME.exec(address)?.[1]?.toLowerCase();
  if (scheme === undefined) return folderOf(resolve(folder, address), at, target);
  const kind = await kindOfScheme(scheme);
  const entry = kind.entryOf(address);
  const settings = settingsOf(kind, entry);
  const stream: StreamConfig = { name: "found", kind: kind.word, settings };
  const finds = (await kind.discover(stream, world)) ?? nothing(stream);
  const name = nameOf(address, kind);
  const { shown, secrets } = withoutSecrets(kind, entry, { name, target, address });
  const lines = entryLines(name, { kind: kind.word, ...shown, ...finds.keys });
  return { kind: kind.word, at: finds.at, found: finds.found, lines, secrets };
}

async function kindOfScheme(scheme: string): Promise<SourceKind> {
  const kinds = Object.values((await sourceKinds("all")).byWord);
  const found = kinds.find(({ schemes }) => schemes.includes(scheme));
  if (found !== undefined) return found;
  const known = kinds.flatMap(({ schemes }) => schemes).map((one) => `${one}://`);
  throw new LakeError("usage", `nothing is found out at ${scheme}://`, {
    hint: `an address begins with ${known.join(", ")}; or name a folder, or a source of tarn.yaml`,
  });
}

function nothing({ name, kind }: StreamConfig): Finds {
  throw new LakeError("unsupported", `a source of kind ${kind} has nothing to find out`, {
    hint: `what it needs is in: tarn source check ${name}`,
  });
}

function settingsOf(kind: SourceKind, entry: JsonObject): unknown {
  const issues: Issue[] = [];
  const cursor = { path: [], issues };
  const settings = kind.settings.read(entry, cursor);
  if (settings !== undefined) return settings;
  const message = issues.map((issue) => issue.message).join("; ");
  throw new LakeError("usage", `this is no address of kind ${kind.word}: ${message}`);
}

/** The database, or the first part of the host; a host without a name is called by its kind. */
function nameOf(address: string, { word }: SourceKind): string {
  const [, , host = "", path = ""] =
    /^([^:]+):\/\/(?:[^@/]*@)?([^:/?,]+)[^/?]*\/?([^?]*)/.exec(address) ?? [];
  const isDatabase = !/^https?:/.test(address) && path !== "";
  const last = path.split("/").at(-1) ?? "";
  if (!isDatabase && /^(localhost$|\[|\d+\.)/.test(host)) return word;
  return namePartFrom(isDatabase ? last : (host.replace(/^(www|api)\./, "").split(".")[0] ?? host));
}

/** Passwords are named; an address that a variable holds is the variable. */
function withoutSecrets(
  kind: SourceKind,
  entry: JsonObject,
  { name, target, address }: { name: string; target: string; address: string },
): { readonly shown: JsonObject; readonly secrets: readonly string[] } {
  const secret = `${name}_password`;
  let isNamed = false;
  const named = Object.entries(entry).map(([key, value = null]) => {
    if (value === address && target !== address) return [key, target] as const;
    if (!kind.secrets.includes(key) || typeof value !== "string") return [key, value] as const;
    const hidden = value.includes("://")
      ? value.replace(/(:\/\/[^/@:]*:)[^@/]*@/, `$1\${secret:${secret}}@`)
      : `\${secret:${secret}}`;
    isNamed ||= hidden !== value;
    return [key, hidden] as const;
  });
  return { shown: Object.fromEntries(named), secrets: isNamed ? [secret] : [] };
}

/** Files by the folders that they lie in: each would be a source. */
function folderOf(path: string, root: string, target: string): Discovery {
  if (statSync(path, { throwIfNoEntry: false })?.isDirectory() !== true) {
    throw new LakeError("not-found", `${target} is no address, no folder and no source`, {
      hint: "tarn source discover postgres://user@host/database, or a folder of files",
    });
  }
  const endings = new Set(Object.values(FORMATS).flatMap((format) => format.endings));
  const groups = new Map<string, { files: number; bytes: number; endings: Set<string> }>();
  const entries = readdirSync(path, { recursive: true, withFileTypes: true }).slice(0, FILES_MAX);
  for (const entry of entries) {
    const ending = extname(entry.name.replace(/\.(gz|zst|zip|bz2)$/i, ""))
      .slice(1)
      .toLowerCase();
    if (!entry.isFile() || entry.name.startsWith(".") || !endings.has(ending)) continue;
    const group = relative(path, entry.parentPath).split("/")[0] || basename(path);
    const known = groups.get(group) ?? { files: 0, bytes: 0, endings: new Set() };
    const { size } = statSync(join(entry.parentPath, entry.name));
    const all = known.endings.add(ending);
    groups.set(group, { files: known.files + 1, bytes: known.bytes + size, endings: all });
  }
  const found = [...groups].map(
    ([name, { files, bytes, endings: own }]): Discovered => ({
      name: namePartFrom(name),
      rows: null,
      bytes,
      key: null,
      note: `${files} ${files === 1 ? "file" : "files"}: ${[...own].join(", ")}`,
    }),
  );
  const inside = relative(root, path);
  const isInside = !inside.startsWith("..");
  const lines = [...groups.keys()].flatMap((group, index) => {
    const own = group === basename(path) ? "" : `/${group}`;
    const glob = `${isInside ? inside : "drops"}${own}/**`;
    return entryLines(namePartFrom(group), { path: glob }).slice(index === 0 ? 0 : 1);
  });
  return { kind: "files", at: path, found, lines, secrets: [] };
}
