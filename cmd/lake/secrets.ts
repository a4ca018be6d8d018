/** Secrets of a project by name: where each comes from, what is stored, and what is taken away. */

import { secretNames } from "../../core/config/secret.ts";
import type { LakeConfig } from "../../core/config.ts";
import { removeSecret, storedSecrets, storeSecret } from "../../storage/disk/secrets.ts";
import { loadSettings, requireProject } from "../project/project.ts";

export interface ListedSecret {
  readonly name: string;
  readonly from: "stored" | "file" | "program" | "nowhere";
  /** Sources that name it. */
  readonly sources: readonly string[];
}

/** Stored ones, declared ones, and those that sources name; never a value. */
export async function secretsOf(folder: string): Promise<readonly ListedSecret[]> {
  const root = await requireProject(folder);
  const config = await loadSettings(root, process.env);
  const stored = new Set(storedSecrets(root));
  const namesBySource = new Map(
    (config?.streams ?? []).map(({ name, settings }) => [name, secretNames(settings)]),
  );
  const declared = [...(config?.secrets.keys() ?? [])];
  const all = new Set([...stored, ...declared, ...[...namesBySource.values()].flat()]);
  return [...all].sort().map((name) => ({
    name,
    from: originOf(config, stored, name),
    sources: [...namesBySource].filter(([, names]) => names.includes(name)).map(([one]) => one),
  }));
}

/** Throws `usage` for a name or a value that is none, `io`. */
export async function setSecret(folder: string, name: string, value: string): Promise<void> {
  storeSecret(await requireProject(folder), name, value);
}

/** False when none of this name was stored. */
export async function dropSecret(folder: string, name: string): Promise<boolean> {
  return removeSecret(await requireProject(folder), name);
}

function originOf(
  config: LakeConfig | null,
  stored: ReadonlySet<string>,
  name: string,
): ListedSecret["from"] {
  const declared = config?.secrets.get(name);
  if (declared !== undefined) return declared.exec === null ? "file" : "program";
  return stored.has(name) ? "stored" : "nowhere";
}
