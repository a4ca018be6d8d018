/** The configuration in force, as plain data. */

import type { Json } from "../../core/base/json.ts";
import { hidden } from "../../core/config/secret.ts";
import type { StreamConfig } from "../../core/ingest/source-kind.ts";
import { loadProject, requireProject, type VariableFlags } from "../project/project.ts";
import { kindOf } from "./sources.ts";

/** With the file it is read from, at or above `folder`. Throws what is wrong with it, all of it at once. */
export async function configOf(folder: string, flags: VariableFlags = {}): Promise<Json> {
  const { root, file, config } = await validConfig(folder, flags);
  const { streams, lookups, ...settings } = config;
  const asked = [...lookups].map(([name, one]) => [name, hidden(one, ["url", "headers"])] as const);
  const shown = await Promise.all(streams.map(withoutSecrets));
  return plain({ file, root, ...settings, lookups: new Map(asked), streams: shown });
}

/** Throws all that is wrong with it at once: who opens a project stops at the first. */
export async function validConfig(folder: string, flags: VariableFlags = {}) {
  const root = await requireProject(folder);
  const { config, configFile: file, errors } = await loadProject(root, process.env, flags);
  if (config === null) throw new AggregateError(errors);
  return { root, file, config };
}

/** Texts that may be secret, or hold one. */
async function withoutSecrets(stream: StreamConfig): Promise<StreamConfig> {
  const { secrets } = await kindOf(stream);
  return { ...stream, settings: hidden(stream.settings, secrets) };
}

/** Maps as objects; everything in a configuration is plain data otherwise. */
function plain(value: unknown): Json {
  if (value instanceof Map) {
    return Object.fromEntries([...value].map(([key, item]) => [String(key), plain(item)]));
  }
  if (Array.isArray(value)) return value.map(plain);
  if (typeof value === "object" && value !== null) {
    return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, plain(item)]));
  }
  if (typeof value === "string" || typeof value === "number" || typeof value === "boolean") {
    return value;
  }
  return typeof value === "bigint" ? value : null;
}
