/** Settings of nodes: of a project file by folder, of a properties file, of the node itself; the nearest one counts. */

import { isRecord, type Path } from "../../../core/config/shape.ts";
import { type Dict, isDict, isList, keyOf, type Value, valueFrom } from "./jinja/values.ts";
import type { DbtPackage, YamlFile } from "./package.ts";

/** A setting, and where it is said. */
export interface Said {
  readonly file: YamlFile | null;
  readonly path: Path;
}

export interface NodeConfig {
  readonly values: Dict;
  readonly said: Map<string, Said>;
}

/** What a text with Jinja in it comes to. */
export type RenderValue = (text: string, file: YamlFile, path: Path) => Value;

/** Keys of settings that may stand without a plus sign, and are no folders. */
const KEYS = new Set(
  (
    "enabled materialized schema alias database tags meta unique_key incremental_strategy on_schema_change " +
    "full_refresh persist_docs docs contract group access pre-hook post-hook pre_hook post_hook quoting " +
    "column_types quote_columns delimiter strategy updated_at check_cols target_schema target_database severity " +
    "store_failures where limit fail_calc warn_if error_if event_time batch_size begin lookback grants hard_deletes " +
    "invalidate_hard_deletes dbt_valid_to_current snapshot_meta_column_names"
  ).split(" "),
);

const SPELLINGS: Readonly<Record<string, string>> = {
  "pre-hook": "pre_hook",
  "post-hook": "post_hook",
  data_tests: "tests",
};

export function newConfig(): NodeConfig {
  return { values: new Map(), said: new Map() };
}

/** Adds one setting, as dbt adds it to those of before. */
export function addSetting(config: NodeConfig, name: string, value: Value, said: Said): void {
  const key = SPELLINGS[name] ?? name;
  const before = config.values.get(key);
  config.said.set(key, said);
  if (key === "tags") {
    const tags = isList(value) ? value : [value];
    const all = isList(before) ? [...before, ...tags] : tags;
    config.values.set(key, [...new Set(all)]);
  } else if (key === "pre_hook" || key === "post_hook") {
    const hooks = isList(value) ? value : [value];
    config.values.set(key, isList(before) ? [...before, ...hooks] : hooks);
  } else if ((key === "meta" || key === "column_types") && isDict(before) && isDict(value)) {
    config.values.set(key, new Map([...before, ...value]));
  } else config.values.set(key, value);
}

/** Settings of a properties file or a `config:` of it. */
export function addSettings(
  config: NodeConfig,
  data: unknown,
  file: YamlFile,
  path: Path,
  render: RenderValue,
): void {
  if (!isRecord(data)) return;
  for (const [key, value] of Object.entries(data)) {
    const at = [...path, key];
    const name = key.replace(/^\+/, "");
    addSetting(config, name, rendered(value, file, at, render), { file, path: at });
  }
}

/**
 * Settings that a project file has for a node: of `models:` (or `seeds:`, `snapshots:`, `data_tests:`), then of each
 * folder on the way to it, below the name of its package.
 */
export function addTree(
  config: NodeConfig,
  { settings }: DbtPackage,
  section: string,
  fqn: readonly string[],
  render: RenderValue,
): void {
  let level: unknown = settings.data[section];
  let path: Path = [section];
  for (const step of [...fqn, null]) {
    if (!isRecord(level)) return;
    for (const [key, value] of Object.entries(level)) {
      const isSetting = key.startsWith("+") || (KEYS.has(key) && key !== step);
      if (!isSetting) continue;
      const at = [...path, key];
      const said = { file: settings, path: at };
      addSetting(config, key.replace(/^\+/, ""), rendered(value, settings, at, render), said);
    }
    if (step === null) return;
    path = [...path, step];
    level = level[step];
  }
}

function rendered(data: unknown, file: YamlFile, path: Path, render: RenderValue): Value {
  if (typeof data === "string") return /\{\{|\{%/.test(data) ? render(data, file, path) : data;
  if (Array.isArray(data)) {
    return data.map((item, index) => rendered(item, file, [...path, index], render));
  }
  if (isRecord(data)) {
    return new Map(
      Object.entries(data).map(([key, value]) => [
        keyOf(key),
        rendered(value, file, [...path, key], render),
      ]),
    );
  }
  return valueFrom(data);
}
