/** Every key of `tarn.yaml` and of a model's front comment, read from the schemas that validate them. */

import { type JsonObject, own } from "../../core/base/json.ts";
import { LANDING_NAMES } from "../../core/config/file-source.ts";
import { duration, isRecord, size } from "../../core/config/shape.ts";
import { sourceReader } from "../../core/config/sources.ts";
import { NO_CHOICE, variableReader } from "../../core/config/variables.ts";
import { configSchema } from "../../core/config.ts";
import { modelSchema } from "../../core/model/parse.ts";
import { FORMATS } from "../../sql/decode/formats.ts";
import { quoteLiteral } from "../../sql/syntax/quote.ts";
import { sourceKinds } from "../../storage/sources/kinds.ts";
import { KIND_MEANINGS, SETTING_EXAMPLES } from "./setting-examples.ts";

/** One key, at its place in the file; `NAME` stands for a word that the user chooses. */
export interface Setting {
  readonly path: string;
  /** What its value may be. */
  readonly takes: string;
  /** What its absence means. */
  readonly absent: string;
  readonly meaning: string;
  /** A value as it is written; empty where nobody gave one. */
  readonly example: string;
}

/** Keys that are read together. */
export interface SettingGroup {
  readonly title: string;
  /** The word behind `kind:` for the keys of a source of that kind, `landing` for those that all streams share. */
  readonly of: string | null;
  readonly about: string;
  readonly settings: readonly Setting[];
}

/** All of `tarn.yaml`: its own keys, those of each kind of source, and those that say how rows land. */
export async function configSettings(): Promise<readonly SettingGroup[]> {
  const kinds = await sourceKinds("all");
  const schema = configSchema(
    sourceReader({ formats: FORMATS, kinds }),
    variableReader(NO_CHOICE, quoteLiteral),
  );
  const entries = alternatives(entrySchema(schema));
  const project = settingsOf(schema, "", { of: "", skips: isOfAnEntry });
  const seeds = asRecord(asRecord(schema.properties).seeds).additionalProperties;
  const groups: SettingGroup[] = [
    {
      title: "The project",
      of: null,
      about: "At the top of tarn.yaml. A project without the file has these defaults.",
      settings: [...project, kindSetting(kinds.words)],
    },
  ];
  for (const entry of entries) {
    const kind = kindOf(entry);
    if (kind === null || groups.some(({ of }) => of === kind)) continue;
    const shared = kind === "files" ? ["kind"] : ["kind", ...STREAM_KEYS, ...LANDING_NAMES];
    const skips = (path: string): boolean => shared.includes(path.split(".")[2] ?? "");
    const settings = settingsOf(entry, ENTRY_PREFIX, { of: kind, skips });
    const about = own(KIND_MEANINGS, kind) ?? "";
    groups.push({ title: `Sources of kind: ${kind}`, of: kind, about, settings });
  }
  const stream = entries.find((entry) => kindOf(entry) !== "files");
  const skips = (path: string): boolean => !STREAM_KEYS.includes(path.split(".")[2] ?? "");
  groups.push({
    title: "How rows of streams land",
    of: "landing",
    about:
      "Of every kind but files. The keys below landing.TABLE stand beside kind: where a source has one table " +
      "(push, log), else under landing:, by table.",
    settings: settingsOf(stream, ENTRY_PREFIX, { of: "landing", skips }),
  });
  groups.push({
    title: "Seeds",
    of: null,
    about:
      "Small tables that are files of the project: seeds/NAME.csv is the table seeds.NAME, an edit a snapshot of it. " +
      "A file needs no entry.",
    settings: settingsOf(seeds, SEED_PREFIX, { of: "files", skips: never }),
  });
  return groups;
}

/** Keys of sources and seeds stand in tables of their own. */
function isOfAnEntry(path: string): boolean {
  return /^(?:sources|seeds)\./.test(path);
}

/** Keys that every kind but files has, beside those of how rows land. */
const STREAM_KEYS: readonly string[] = ["landing", "moved_from"];

function kindSetting(words: readonly string[]): Setting {
  const takes = ["files", ...words].map((word) => `\`${word}\``).join(", ");
  const meaning = "What the source reads: dropped files, or one of the kinds below.";
  const path = `${ENTRY_PREFIX}kind`;
  return { path, takes, absent: "files", meaning, example: "postgres" };
}

function kindOf(entry: Readonly<Record<string, unknown>>): string | null {
  return isRecord(entry.properties) ? constOf(entry.properties.kind) : null;
}

/** All keys of the comment that a model begins with. */
export function modelSettings(): readonly Setting[] {
  return settingsOf(modelSchema(), "", { of: "model", skips: never });
}

interface Reach {
  /** The group: `kafka`, `landing`, `model`; empty for the project. */
  readonly of: string;
  readonly skips: (path: string) => boolean;
}

const ENTRY_PREFIX = "sources.NAME.";
const LANDING_PREFIX = "sources.NAME.landing.TABLE.";
const SEED_PREFIX = "seeds.NAME.";
const PREFIXES = [LANDING_PREFIX, ENTRY_PREFIX, SEED_PREFIX];
const never = (): boolean => false;

function settingsOf(schema: unknown, prefix: string, reach: Reach): Setting[] {
  const settings: Setting[] = [];
  collect(schema, prefix, reach, settings);
  return settings;
}

/** Keys below a place, each before those in it. */
function collect(schema: unknown, prefix: string, reach: Reach, into: Setting[]): void {
  if (!isRecord(schema)) return;
  const required = Array.isArray(schema.required) ? schema.required : [];
  for (const [name, key] of Object.entries(isRecord(schema.properties) ? schema.properties : {})) {
    const path = prefix + name;
    if (reach.skips(path) || !isRecord(key) || into.some((known) => known.path === path)) continue;
    into.push(settingOf(path, key, { of: reach.of, needed: required.includes(name) }));
    collect(key, `${path}.`, reach, into);
  }
  if (isRecord(schema.additionalProperties)) {
    collect(schema.additionalProperties, `${prefix}${placeholder(prefix)}.`, reach, into);
  }
  if (isRecord(schema.items)) collect(schema.items, prefix, reach, into);
  for (const each of alternatives(schema)) collect(each, prefix, reach, into);
}

function settingOf(
  path: string,
  key: Readonly<Record<string, unknown>>,
  { of, needed }: { readonly of: string; readonly needed: boolean },
): Setting {
  const text = typeof key.description === "string" ? key.description : "";
  const [meaning = "", said] = text.split(/\s*\bDefault: /);
  const written = key.default === undefined ? null : spelled(key.default);
  const isMap = isRecord(key.additionalProperties) || isRecord(key.properties);
  const absent = needed ? "must be given" : (said?.replace(/\.$/, "") ?? written ?? "none");
  return {
    path,
    takes: takes(key),
    absent: isMap && said === undefined && !needed ? "" : absent,
    meaning: meaning.trim(),
    example: writtenExample(of, path) ?? exampleOf(key) ?? "",
  };
}

/** By kind and key, or by the key alone. */
function writtenExample(of: string, path: string): string | undefined {
  const prefix = PREFIXES.find((one) => path.startsWith(one)) ?? "";
  const short = path.slice(prefix.length);
  return own(SETTING_EXAMPLES, `${of}.${short}`) ?? own(SETTING_EXAMPLES, short);
}

/** What stands for the name that a user gives there. */
function placeholder(prefix: string): string {
  const last = prefix.replace(/\.$/, "").split(".").at(-1) ?? "";
  const named = own(
    { columns: "COLUMN", landing: "TABLE", tables: "TABLE", layers: "LAYER" },
    last,
  );
  return named ?? "NAME";
}

const DURATION = JSON.stringify(duration().schema.examples);
const SIZE = JSON.stringify(size().schema.examples);

function takes(key: Readonly<Record<string, unknown>>): string {
  const examples = JSON.stringify(key.examples);
  if (examples === DURATION) return "duration";
  if (examples === SIZE) return "size";
  if (Array.isArray(key.enum)) return key.enum.map((word) => `\`${String(word)}\``).join(", ");
  if (key.const !== undefined) return `\`${String(key.const)}\``;
  const [first, ...others] = alternatives(key);
  if (isRecord(first)) {
    if (first.type === "integer") return "whole number";
    if (first.type === "array") return `list of ${plural(takes(asRecord(first.items)))}`;
    if (isRecord(others[0])) return `${takes(first)}, or ${takes(others[0])}`;
  }
  if (isRecord(key.properties)) return "keys";
  if (key.type === "object")
    return `names with ${plural(takes(asRecord(key.additionalProperties)))}`;
  if (key.type === "boolean") return "`true`, `false`";
  return key.type === "integer" ? "whole number" : "text";
}

function plural(word: string): string {
  return word === "text" ? "texts" : word;
}

/** A value that says more than the default, where the schema has one. */
function exampleOf(key: Readonly<Record<string, unknown>>): string | null {
  const word = typeof key.default === "string" ? key.default : "";
  const given: readonly unknown[] = Array.isArray(key.examples) ? key.examples : [];
  const isMeasure = [DURATION, SIZE].includes(JSON.stringify(key.examples));
  const other = given.find((each) => each !== word);
  if (!isMeasure && other !== undefined) return quoted(String(other));
  if (Array.isArray(key.enum)) {
    const words: readonly unknown[] = key.enum;
    const another = words.find((each) => each !== (word === "" ? words[0] : word));
    return another === undefined ? null : String(another);
  }
  if (key.type === "boolean") return key.default === true ? "false" : "true";
  return null;
}

/** As YAML has it. */
function quoted(text: string): string {
  return /^[\w./${}][\w .,/()${}-]*$/.test(text) ? text : `'${text.replaceAll("'", "''")}'`;
}

function spelled(value: unknown): string {
  return String(value);
}

function alternatives(schema: unknown): readonly Readonly<Record<string, unknown>>[] {
  const any = isRecord(schema) && Array.isArray(schema.anyOf) ? schema.anyOf : [];
  return any.filter(isRecord);
}

function entrySchema(schema: JsonObject): unknown {
  const sources = asRecord(asRecord(schema.properties).sources);
  return sources.additionalProperties;
}

function constOf(schema: unknown): string | null {
  return isRecord(schema) && typeof schema.const === "string" ? schema.const : null;
}

function asRecord(value: unknown): Readonly<Record<string, unknown>> {
  return isRecord(value) ? value : {};
}
