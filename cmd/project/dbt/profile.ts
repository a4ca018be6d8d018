/** `target` of templates: what profiles.yml says of the project's profile, where there is one. */

import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { LakeError } from "../../../core/base/errors.ts";
import { isRecord } from "../../../core/config/shape.ts";
import type { Environment } from "../../../core/config.ts";
import { type Dict, valueFrom } from "./jinja/values.ts";
import { type DbtPackage, readYaml } from "./package.ts";
import { DATABASE } from "./relation.ts";

const PROFILES_FILE = "profiles.yml";
/** `{{ env_var('NAME', 'default') }}`, which is what profiles have. */
const ENV_VAR =
  /\{\{\s*env_var\(\s*['"](\w+)['"]\s*(?:,\s*['"]([^'"]*)['"]\s*)?\)\s*(?:\|\s*\w+\s*)*\}\}/g;

/** Name and schema of the target; without a profile the schema is the project's name. */
export function profileOf(
  root: string,
  own: DbtPackage,
  { env, name }: { readonly env: Environment; readonly name: string | undefined },
  errors: LakeError[],
): Dict {
  const profile = textOf(own.settings.data.profile) ?? "default";
  const said = existsSync(join(root, PROFILES_FILE)) ? readYaml(root, PROFILES_FILE, errors) : null;
  const text = said === null ? "" : readFileSync(join(root, PROFILES_FILE), "utf8");
  const entry = said?.data[profile];
  const outputs = isRecord(entry) && isRecord(entry.outputs) ? entry.outputs : {};
  const chosen = name ?? rendered(isRecord(entry) ? textOf(entry.target) : null, env) ?? "dev";
  const output = isRecord(outputs[chosen]) ? outputs[chosen] : {};
  const schema = rendered(textOf(output.schema), env);
  const known = text === "" ? null : schema;
  return new Map([
    ["name", chosen],
    ["target_name", chosen],
    ["profile_name", profile],
    ["type", "duckdb"],
    ["database", DATABASE],
    ["dbname", DATABASE],
    ["schema", known === null || known === "main" ? own.name : known],
    ["threads", valueFrom(output.threads ?? 1)],
  ]);
}

function rendered(text: string | null, env: Environment): string | null {
  if (text === null) return null;
  return text.replace(ENV_VAR, (_, key: string, otherwise?: string) => env[key] ?? otherwise ?? "");
}

function textOf(value: unknown): string | null {
  return typeof value === "string" ? value : null;
}
