/** The project on disk: finds its folder, reads tarn.yaml, .env and the models, and says what is wrong with them. */

import { readdirSync, readFileSync, realpathSync, statSync } from "node:fs";
import { basename, dirname, join, resolve } from "node:path";
import { errorText, LakeError } from "../../core/base/errors.ts";
import { compareCodePoints } from "../../core/base/order.ts";
import {
  CONTRACTS_FOLDER,
  CORRECTIONS_FOLDER,
  DROPS_FOLDER,
  SEEDS_FOLDER,
} from "../../core/config/default-source.ts";
import type { ContractReader } from "../../core/config/file-source.ts";
import type { ParsedYaml, ParseYaml } from "../../core/config/place.ts";
import type { SeedSettings } from "../../core/config/seeds.ts";
import type { Cursor, Issue } from "../../core/config/shape.ts";
import type { SourceKinds, SourceReader } from "../../core/config/sources.ts";
import type { VariableChoice, VariableReader } from "../../core/config/variables.ts";
import { type Environment, type LakeConfig, readConfig } from "../../core/config.ts";
import type { CorrectionFile } from "../../core/model/correction-file.ts";
import type { Macros } from "../../core/model/macros.ts";
import { MACROS_FOLDER, MODELS_FOLDER, type Model } from "../../core/model/model.ts";
import type { DbtProject, LoadedDbt } from "./dbt/load.ts";
import { parsePlainYaml } from "./plain-yaml.ts";
import type { ProjectTests } from "./project-tests.ts";

export interface Project {
  /** Absolute. */
  readonly root: string;
  /** Name of the configuration file, or null for a project without one. */
  readonly configFile: string | null;
  /** Null when the configuration has errors. */
  readonly config: LakeConfig | null;
  /** Models without errors, by file name. */
  readonly models: readonly Model[];
  /** Corrections without errors, by file name. */
  readonly corrections: readonly CorrectionFile[];
  /** Macros without errors, by name in lower case. */
  readonly macros: Macros;
  /** With places relative to the root. Models adopt as a set: any error here keeps the old set. */
  readonly errors: readonly LakeError[];
  readonly warnings: readonly LakeError[];
  /** What `${VAR}` saw: the process's environment over .env.local over .env. */
  readonly env: Environment;
  /** Of a project of dbt: what it is made of. */
  readonly dbt?: DbtProject;
  /** Its tests, where they are not written as those of other projects. */
  readonly tests?: () => ProjectTests;
}

const CONFIG_FILES = ["tarn.yaml", "tarn.yml", "tarn.json"] as const;
/** Model files of one project. */
const MODEL_FILES_MAX = 20_000;
const ENV_FILES = [".env", ".env.local"] as const;
const DBT_FILES = ["dbt_project.yml", "profiles.yml"] as const;
/** Where a project of dbt has what it is made of, unless it says otherwise. */
const DBT_FOLDERS = ["snapshots", "tests", "data-tests", "dbt_packages"] as const;
/** Times of files advance in steps, of 10 ms on older kernels and of 2 s on odd file systems. */
const RACY_MS = 2_500;

/** The nearest folder at or above `start` that is a project, or null. A configuration file wins over bare folders. */
export async function findProject(start: string): Promise<string | null> {
  let bare: string | null = null;
  for (let folder = resolve(start); ; folder = dirname(folder)) {
    if (configFileIn(folder) !== null || isDbt(folder)) return folder;
    const hasFolders =
      isFolder(join(folder, DROPS_FOLDER)) || isFolder(join(folder, MODELS_FOLDER));
    if (bare === null && hasFolders) bare = folder;
    if (folder === dirname(folder)) return bare;
  }
}

/** Whether a folder is a project of dbt. */
export function isDbt(folder: string): boolean {
  return statOrNull(join(folder, DBT_FILES[0]))?.isFile() === true;
}

/** The project's folder, or an error that says how to make one. */
/** The project that a command is given in, as it is on the disk. Throws `usage` where there is none. */
export async function projectRoot({ folder }: { readonly folder: string }): Promise<string> {
  return realpathSync(await requireProject(resolve(folder)));
}

export async function requireProject(start: string): Promise<string> {
  const root = await findProject(start);
  if (root !== null) return root;
  throw new LakeError("usage", `${resolve(start)} is not in a project`, {
    hint: "make a drops/ folder here and put files into it, or run: tarn init",
    page: "T0101",
  });
}

/** The name of the configuration file of a folder, or null. */
export function configFileIn(folder: string): string | null {
  for (const name of CONFIG_FILES) {
    const found = statOrNull(join(folder, name));
    if (found?.isFile() === true) return name;
  }
  return null;
}

/**
 * What changes whenever a file of the project does: their names, sizes and times. Null while a file is so young that
 * another edit could leave the same times.
 */
export function projectStamp(root: string, nowMs: number): string | null {
  const parts = [settingsStamp(root, nowMs), foldersStamp(root, nowMs)];
  return parts.includes(null) ? null : parts.join("\n");
}

/** The same of the configuration alone. */
export function settingsStamp(root: string, nowMs: number): string | null {
  return stampOf(root, [...CONFIG_FILES, ...ENV_FILES, ...DBT_FILES], nowMs);
}

/** The same of models, macros, contracts and corrections. */
export function foldersStamp(root: string, nowMs: number): string | null {
  const files: string[] = [];
  const pending: string[] = [MODELS_FOLDER, MACROS_FOLDER, CONTRACTS_FOLDER, CORRECTIONS_FOLDER];
  if (isDbt(root)) pending.push(...DBT_FOLDERS, SEEDS_FOLDER);
  for (let folder = pending.pop(); folder !== undefined; folder = pending.pop()) {
    for (const entry of entriesOf(join(root, folder))) {
      if (entry.name.startsWith(".")) continue;
      if (entry.isDirectory()) pending.push(`${folder}/${entry.name}`);
      else files.push(`${folder}/${entry.name}`);
    }
  }
  return stampOf(root, files, nowMs);
}

function stampOf(root: string, files: readonly string[], nowMs: number): string | null {
  const stamps: string[] = [];
  for (const file of files) {
    const found = statSync(join(root, file), { bigint: true, throwIfNoEntry: false });
    if (found === undefined) continue;
    if (Number(found.ctimeMs) > nowMs - RACY_MS) return null;
    stamps.push(`${file} ${found.ino} ${found.size} ${found.mtimeNs} ${found.ctimeNs}`);
  }
  return stamps.join("\n");
}

/** The configuration alone, without a look at the models; null when it has errors. */
export async function loadSettings(root: string, env: Environment): Promise<LakeConfig | null> {
  const merged = environmentOf(root, env);
  const choice = isDbt(root) ? NO_CHOICE : choiceOf({}, merged);
  return (await loadConfig(root, configFileIn(root), merged, choice)).config;
}

/**
 * Reads everything; never throws for what the files say. `env` is the process's environment. Throws `usage` for values
 * of `flags` that its variables cannot have.
 */
export async function loadProject(
  root: string,
  env: Environment,
  flags: VariableFlags = {},
): Promise<Project> {
  const merged = environmentOf(root, env);
  const configFile = configFileIn(root);
  if (isDbt(root)) return await loadDbtProject(root, merged, flags);
  const read = await loadConfig(root, configFile, merged, choiceOf(flags, merged));
  const variables = read.config?.variables ?? new Map();
  const onFailOf = (layer: string) => read.config?.layers.get(layer)?.onFail ?? null;
  const models: Model[] = [];
  const errors = [...read.errors];
  const { files, links } = filesBelow(root, MODELS_FOLDER, /\.sql$/i);
  const defined = await macrosIn(root);
  const { macros } = defined;
  errors.push(...defined.errors);
  const context = { onFailOf, variables, macros, fileHash: (path: string) => hashIn(root, path) };
  // Where the configuration has errors, nobody knows which variables there are.
  for (const file of read.config === null ? [] : files) {
    const { parseModel } = await import("../../core/model/parse.ts");
    const { MODEL_TOOLS } = await import("./model-tools.ts");
    const text = readFileSync(join(root, file), "utf8");
    const parsed = await withYaml(
      (parseYaml) => parseModel(file, text, { parseYaml, ...MODEL_TOOLS, ...context }),
      (read) => read.errors.length === 0,
    );
    if (parsed.model !== null) models.push(parsed.model);
    errors.push(...parsed.errors);
  }
  if (models.some(({ cadence }) => cadence?.kind === "cron")) {
    const { scheduleError } = await import("./schedules.ts");
    const zone = read.config?.timezone ?? "UTC";
    errors.push(...models.flatMap((model) => scheduleError(model, zone, Date.now()) ?? []));
  }
  const corrections = await correctionsIn(root, read.config, macros);
  errors.push(...corrections.errors);
  if (models.some(({ lookup }) => lookup !== null)) {
    const { lookupErrors } = await import("../../core/model/lookup-errors.ts");
    errors.push(...lookupErrors(models, new Set(read.config?.lookups.keys() ?? [])));
  }
  return {
    root,
    configFile,
    config: read.config,
    models,
    corrections: corrections.found,
    macros,
    errors,
    warnings: [...read.warnings, ...links.map(notFollowed)],
    env: merged,
  };
}

/** sha256 of a file of the project; null where there is none. */
function hashIn(root: string, path: string): string | null {
  const absolute = join(root, path);
  if (statOrNull(absolute)?.isFile() !== true) return null;
  return new Bun.CryptoHasher("sha256").update(readFileSync(absolute)).digest("hex");
}

/** As projectStamp, of the files that steps of models are made of. */
export function stepsStamp({ root, models }: Project, nowMs: number): string | null {
  const files = models.flatMap(({ step }) => step?.files.map(({ path }) => path) ?? []);
  return files.length === 0 ? "" : stampOf(root, files, nowMs);
}

const NO_CHOICE: VariableChoice = { environment: null, by: "--env", given: [] };

/** A project of dbt: its variables and environments are its own, and tarn.yaml says where the lake is. */
async function loadDbtProject(
  root: string,
  env: Environment,
  flags: VariableFlags,
): Promise<Project> {
  const configFile = configFileIn(root);
  const read = await loadConfig(root, configFile, env, NO_CHOICE);
  const macros: Macros = new Map();
  const { found: corrections, errors: wrong } = await correctionsIn(root, read.config, macros);
  const project = { root, configFile, config: read.config, macros, env, corrections };
  const errors = [...read.errors, ...wrong];
  const { warnings } = read;
  if (read.config === null) return { ...project, models: [], errors, warnings };
  const { loadDbt } = await import("./dbt/load.ts");
  const { dbtTests } = await import("./dbt/tests.ts");
  const { project: dbt, ...loaded } = loadDbt(root, read.config, { env, flags, filesBelow });
  const { seeds, errors: ofSeeds } = await dbtSeeds(loaded.seeds);
  return {
    ...project,
    config: { ...loaded.config, seeds: new Map([...loaded.config.seeds, ...seeds]) },
    models: loaded.models,
    errors: [...errors, ...ofSeeds, ...loaded.errors],
    warnings: [...warnings, ...loaded.warnings],
    ...(dbt === null ? {} : { dbt, tests: () => dbtTests(dbt) }),
  };
}

/** What dbt says of seeds, read as tarn.yaml's keys are. */
async function dbtSeeds(said: LoadedDbt["seeds"]) {
  const seeds = new Map<string, SeedSettings>();
  const errors: LakeError[] = [];
  const reader = said.size === 0 ? undefined : (await sourcesIn("seeds:"))?.();
  for (const [name, { settings, place }] of said) {
    const cursor: Cursor = { path: [], issues: [] };
    const entry = reader?.seedShape.read(settings, cursor);
    const seed = entry === undefined ? undefined : reader?.seed(name, entry, cursor);
    if (seed !== undefined) seeds.set(name, seed);
    for (const { message, hint } of cursor.issues) {
      const told = `the seed ${name}: ${message}`;
      errors.push(new LakeError("config", told, { place, ...(hint === null ? {} : { hint }) }));
    }
  }
  return { seeds, errors };
}

/** The macros of the project; how they are read is loaded only where there are files of them. */
async function macrosIn(root: string): Promise<{ macros: Macros; errors: readonly LakeError[] }> {
  const { files } = filesBelow(root, MACROS_FOLDER, /\.sql$/i);
  if (files.length === 0) return { macros: new Map(), errors: [] };
  const { readMacroFiles } = await import("./macro-files.ts");
  return readMacroFiles(root, files);
}

/** What a project puts right in what landed; how that is read is loaded only where there is any. */
async function correctionsIn(
  root: string,
  config: LakeConfig | null,
  macros: Macros,
): Promise<{ found: readonly CorrectionFile[]; errors: readonly LakeError[] }> {
  if (config === null || !isFolder(join(root, CORRECTIONS_FOLDER)))
    return { found: [], errors: [] };
  const { readCorrections } = await import("./correction-files.ts");
  const { files } = filesBelow(root, CORRECTIONS_FOLDER, /\.sql$/i);
  return readCorrections(root, files, { config, macros });
}

/** What variables are in a project: the process's environment goes before its files. */
export function environmentOf(root: string, env: Environment): Environment {
  const [shared, local] = ENV_FILES;
  return { ...dotenv(join(root, shared)), ...dotenv(join(root, local)), ...env };
}

interface LoadedConfig {
  readonly config: LakeConfig | null;
  readonly errors: readonly LakeError[];
  readonly warnings: readonly LakeError[];
}

/** What the command line says of variables. */
export interface VariableFlags {
  readonly env?: string | undefined;
  /** Several, a line each. */
  readonly var?: string | undefined;
}

function choiceOf(flags: VariableFlags, env: Environment): VariableChoice {
  const named = env.TARN_ENV === undefined || env.TARN_ENV === "" ? null : env.TARN_ENV;
  const given = flags.var === undefined ? [] : flags.var.split("\n");
  const isFlag = flags.env !== undefined && flags.env !== "";
  return {
    environment: isFlag ? (flags.env ?? null) : named,
    by: isFlag ? "--env" : "TARN_ENV",
    given,
  };
}

async function loadConfig(
  root: string,
  file: string | null,
  env: Environment,
  choice: VariableChoice,
): Promise<LoadedConfig> {
  const text = file === null ? "" : readFileSync(join(root, file), "utf8");
  const contracts = await contractsIn(root, text);
  const readerOf = await sourcesIn(text);
  const variables = await variablesIn(text, choice);
  const read = (parseYaml: ParseYaml) => {
    const sources = readerOf?.(contracts.reader()) ?? null;
    return configFrom(text, { folderName: basename(root), env, sources, variables }, parseYaml);
  };
  const isFaultless = ({ problems, issues }: ReadConfig): boolean =>
    problems.length + issues.length === 0;
  const told = await toldConfig(await withYaml(read, isFaultless), file ?? CONFIG_FILES[0], text);
  const [refused] = variables?.refused ?? [];
  if (refused !== undefined && told.errors.length === 0) throw refused;
  const { errors, warnings } = contracts;
  const seeds = told.config?.seeds ?? new Map();
  const strays = seeds.size === 0 ? [] : await straySeeds(root, { seeds, file, text });
  return {
    config: errors.length > 0 ? null : told.config,
    errors: [...errors, ...told.errors, ...strays],
    warnings: [...told.warnings, ...warnings],
  };
}

/** Settings of seeds that are not there. */
async function straySeeds(
  root: string,
  said: {
    readonly seeds: LakeConfig["seeds"];
    readonly file: string | null;
    readonly text: string;
  },
): Promise<LakeError[]> {
  const { seedsWithoutFiles } = await import("../../core/config/seeds.ts");
  const { files } = filesBelow(root, SEEDS_FOLDER, /./);
  const issues = seedsWithoutFiles(said.seeds, files);
  if (issues.length === 0) return [];
  const { parseYaml } = await import("./yaml.ts");
  const { issueError } = await import("../../core/config/place.ts");
  const text = said.text.startsWith("\uFEFF") ? said.text.slice(1) : said.text;
  const at = { text, file: said.file ?? CONFIG_FILES[0], parsed: parseYaml(text), offset: 0 };
  return issues.map((issue) => issueError(issue, at));
}

/** The documents that sources name, and what is wrong with them; their reader is loaded only where there are any. */
async function contractsIn(root: string, text: string) {
  const errors: LakeError[] = [];
  const warnings: LakeError[] = [];
  if (!/\bcontract["']?\s*:/.test(text)) return { errors, warnings, reader: () => undefined };
  const { readContractFile } = await import("./contract-file.ts");
  const contractAt: ContractReader = (path, names) => {
    const file = path.replace(/^\.\//, "");
    const read = readContractFile(join(root, file), file, names);
    errors.push(...read.errors);
    warnings.push(...read.warnings);
    return read.stated;
  };
  const reader = () => {
    // The configuration may be read twice: once more where something in it has to be pointed at.
    errors.length = 0;
    warnings.length = 0;
    return contractAt;
  };
  return { errors, warnings, reader };
}

/** How sources are read; their keys are loaded only where some may be: a backslash can spell the word otherwise. */
async function sourcesIn(
  text: string,
): Promise<((contractAt?: ContractReader) => SourceReader) | null> {
  if (!/sources|seeds|\\/.test(text)) return null;
  const { NO_KINDS, sourceReader } = await import("../../core/config/sources.ts");
  const { FORMATS: formats } = await import("../../sql/decode/formats.ts");
  const kinds = (await kindsIn(text)) ?? NO_KINDS;
  return (contractAt) => sourceReader({ formats, kinds }, contractAt);
}

/** How variables are read; loaded only where there may be any, or some are asked for. */
async function variablesIn(
  text: string,
  choice: VariableChoice,
): Promise<VariableReader | undefined> {
  const isAsked = choice.environment !== null || choice.given.length > 0;
  if (!isAsked && !/vars|environments|\\/.test(text)) return undefined;
  const { variableReader } = await import("../../core/config/variables.ts");
  const { quoteLiteral } = await import("../../sql/syntax/quote.ts");
  return variableReader(choice, quoteLiteral);
}

/** What words behind `kind:` stand for; they are loaded only where there are any. */
async function kindsIn(text: string): Promise<SourceKinds | null> {
  const words = [...text.matchAll(/\bkind["']?\s*:\s*["']?(\w+)/g)].map(([, word]) => word ?? "");
  if (words.length === 0) return null;
  return (await import("../../storage/sources/kinds.ts")).sourceKinds(words);
}

/** Reads by plain YAML; by the library where the text is more than that, or something in it has to be pointed at. */
async function withYaml<T>(
  read: (parseYaml: ParseYaml) => T,
  isFaultless: (result: T) => boolean,
): Promise<T> {
  let isPlain = true;
  const result = read((text) => {
    const parsed = parsePlainYaml(text);
    isPlain &&= parsed !== null;
    return { data: parsed?.data ?? null, problems: [], spanOf: () => ({ offset: 0, length: 1 }) };
  });
  if (isPlain && isFaultless(result)) return result;
  return read((await import("./yaml.ts")).parseYaml);
}

interface ReadConfig {
  readonly config: LakeConfig | null;
  readonly problems: ParsedYaml["problems"];
  readonly issues: readonly Issue[];
  readonly parsed: ParsedYaml;
}

function configFrom(
  text: string,
  options: Parameters<typeof readConfig>[1],
  parseYaml: ParseYaml,
): ReadConfig {
  const parsed = parseYaml(text.startsWith("\uFEFF") ? text.slice(1) : text);
  const problems = parsed.problems.slice(0, 1);
  if (problems.length > 0) return { config: null, problems, issues: [], parsed };
  return { ...readConfig(parsed.data, options), problems, parsed };
}

/** What is wrong, as people see it; where nothing is, nothing that says so is loaded. */
async function toldConfig(
  { config, problems, issues, parsed }: ReadConfig,
  file: string,
  text: string,
): Promise<LoadedConfig> {
  if (problems.length + issues.length === 0) return { config, errors: [], warnings: [] };
  const { issueError, placeAt } = await import("../../core/config/place.ts");
  const notYaml = problems.map(
    ({ message, span }) =>
      new LakeError("config", `not YAML: ${message}`, {
        hint: "nothing was read; indent with spaces, one key: value a line",
        place: placeAt(text, file, span),
        page: "T0109",
      }),
  );
  const at = { text, file, parsed, offset: 0 };
  const pick = (severity: Issue["severity"]): LakeError[] =>
    issues.filter((issue) => issue.severity === severity).map((issue) => issueError(issue, at));
  return { config, errors: [...notYaml, ...pick("error")], warnings: pick("warning") };
}

function notFollowed(link: string): LakeError {
  return new LakeError("config", `${link} is a link, which is not followed: it makes no model`, {
    hint: "put the file itself there",
    place: { file: link, line: 1, column: 1 },
  });
}

function isFolder(path: string): boolean {
  return statOrNull(path)?.isDirectory() ?? false;
}

function statOrNull(path: string) {
  try {
    return statSync(path, { throwIfNoEntry: false }) ?? null;
  } catch (thrown) {
    if (isAbsent(thrown)) return null;
    throw ioError(path, thrown);
  }
}

const DOTENV_LINE = /^\s*(?:export\s+)?([A-Za-z_][A-Za-z0-9_]*)\s*=\s*(.*?)\s*$/;

/** Variables of a .env file: `NAME=value`, quotes optional, `#` begins a comment. Absent is empty. */
function dotenv(path: string): Record<string, string> {
  const found = statOrNull(path);
  if (found?.isFile() !== true) return {};
  const variables: Record<string, string> = {};
  for (const line of readFileSync(path, "utf8").split(/\r?\n/)) {
    const [, name, raw = ""] = DOTENV_LINE.exec(line) ?? [];
    if (name === undefined) continue;
    const quoted = /^(["'])(.*)\1(?:\s+#.*)?$/.exec(raw);
    variables[name] = quoted?.[2] ?? raw.replace(/(^|\s)#.*$/, "").trim();
  }
  return variables;
}

export interface ProjectFiles {
  readonly files: string[];
  readonly links: string[];
}

/** Files relative to the root, sorted; hidden folders and files are skipped, links are not followed. */
export function filesBelow(root: string, top: string, named: RegExp): ProjectFiles {
  const files: string[] = [];
  const links: string[] = [];
  const pending = [top];
  for (let folder = pending.pop(); folder !== undefined; folder = pending.pop()) {
    for (const entry of entriesOf(join(root, folder))) {
      const path = `${folder}/${entry.name}`;
      if (entry.name.startsWith(".")) continue;
      if (entry.isDirectory()) pending.push(path);
      else if (entry.isSymbolicLink()) links.push(path);
      else if (entry.isFile() && named.test(entry.name)) files.push(path);
    }
    if (files.length > MODEL_FILES_MAX) {
      throw new LakeError("config", `more than ${MODEL_FILES_MAX} files in ${top}/`);
    }
  }
  return { files: files.sort(compareCodePoints), links: links.sort(compareCodePoints) };
}

/** At once, as everything here: a whole project is read sooner than a thread of the pool answers a few times. */
function entriesOf(folder: string) {
  try {
    return readdirSync(folder, { withFileTypes: true });
  } catch (thrown) {
    if (isAbsent(thrown)) return [];
    throw ioError(folder, thrown);
  }
}

/** `code` of a system error says that nothing is there, or a file stands where a folder would. */
function isAbsent(thrown: unknown): boolean {
  const code = thrown instanceof Error && "code" in thrown ? thrown.code : null;
  return code === "ENOENT" || code === "ENOTDIR";
}

function ioError(path: string, cause: unknown): LakeError {
  return new LakeError("io", `${path} cannot be read: ${errorText(cause)}`, { cause });
}
