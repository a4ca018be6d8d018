/** A dbt project on disk, and the packages that are vendored below it: names, folders, variables, settings. */

import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { LakeError, type Place } from "../../../core/base/errors.ts";
import { type ParsedYaml, placeAt } from "../../../core/config/place.ts";
import { isRecord, type Path } from "../../../core/config/shape.ts";
import { parseYaml } from "../yaml.ts";

export const DBT_FILE = "dbt_project.yml";
const PACKAGES_FOLDER = "dbt_packages";

/** A YAML file with the places of what it says. */
export interface YamlFile {
  /** Relative to the project. */
  readonly file: string;
  readonly data: Readonly<Record<string, unknown>>;
  readonly placeOf: (path: Path, at: "key" | "value") => Place;
}

export interface DbtPackage {
  readonly name: string;
  /** Relative to the project: empty for the project itself. */
  readonly folder: string;
  readonly settings: YamlFile;
  readonly paths: Readonly<Record<PathKind, readonly string[]>>;
}

/** Lists the files of a project below a folder of it, relative to the project and sorted. */
export type FilesBelow = (
  root: string,
  top: string,
  named: RegExp,
) => { readonly files: readonly string[] };

const PATHS = {
  model: ["models"],
  macro: ["macros"],
  seed: ["seeds"],
  test: ["tests"],
  snapshot: ["snapshots"],
  analysis: ["analyses"],
} as const;
type PathKind = keyof typeof PATHS;
/** How older projects spell them. */
const OLD_PATHS: Readonly<Record<string, string>> = { model: "source-paths", seed: "data-paths" };

/** What is said of a part of a project that is not run. */
export const UNSUPPORTED_PAGE = "T0130";

export function unsupportedPart(message: string, hint: string, place: Place): LakeError {
  return new LakeError("unsupported", message, { hint, place, page: UNSUPPORTED_PAGE });
}

/** The project and the packages below `dbt_packages/`, by name; the project first. Throws `config`. */
export function readPackages(root: string, errors: LakeError[]): readonly DbtPackage[] {
  const own = readPackage(root, "", errors);
  if (own === null) return [];
  const installed = typeof own.settings.data["packages-install-path"] === "string";
  const folder = installed ? String(own.settings.data["packages-install-path"]) : PACKAGES_FOLDER;
  const packages = [own];
  for (const name of foldersOf(join(root, folder))) {
    const path = `${folder}/${name}`;
    if (!existsSync(join(root, path, DBT_FILE))) continue;
    const found = readPackage(root, path, errors);
    if (found !== null) packages.push(found);
  }
  return packages;
}

/** A YAML file; null where it is none, which is said in `errors`. */
export function readYaml(root: string, file: string, errors: LakeError[]): YamlFile | null {
  const text = readFileSync(join(root, file), "utf8").replace(/^\uFEFF/, "");
  const parsed: ParsedYaml = parseYaml(text);
  const placeOf = (path: Path, at: "key" | "value"): Place =>
    placeAt(text, file, parsed.spanOf(path, at));
  const [problem] = parsed.problems;
  if (problem !== undefined) {
    const place = placeAt(text, file, problem.span);
    errors.push(new LakeError("config", `not YAML: ${problem.message}`, { place, page: "T0109" }));
    return null;
  }
  return { file, data: isRecord(parsed.data) ? parsed.data : {}, placeOf };
}

function readPackage(root: string, folder: string, errors: LakeError[]): DbtPackage | null {
  const file = folder === "" ? DBT_FILE : `${folder}/${DBT_FILE}`;
  const settings = readYaml(root, file, errors);
  if (settings === null) return null;
  const { name } = settings.data;
  if (typeof name !== "string" || !/^\w+$/.test(name)) {
    const place = settings.placeOf(["name"], "value");
    const hint = "letters, digits and _, such as: name: shop";
    errors.push(new LakeError("config", "the project has no name", { place, hint }));
    return null;
  }
  const pathsOf = (kind: PathKind): readonly string[] => {
    const old = OLD_PATHS[kind];
    const said = settings.data[`${kind}-paths`] ?? (old === undefined ? null : settings.data[old]);
    return Array.isArray(said) ? said.map(String) : PATHS[kind];
  };
  const paths = {
    model: pathsOf("model"),
    macro: pathsOf("macro"),
    seed: pathsOf("seed"),
    test: pathsOf("test"),
    snapshot: pathsOf("snapshot"),
    analysis: pathsOf("analysis"),
  };
  return { name, folder, settings, paths };
}

function foldersOf(folder: string): readonly string[] {
  if (!existsSync(folder)) return [];
  const entries = readdirSync(folder, { withFileTypes: true });
  // Packages under development are linked there.
  const folders = entries.filter((entry) => entry.isDirectory() || entry.isSymbolicLink());
  return folders.map((entry) => entry.name).sort();
}
