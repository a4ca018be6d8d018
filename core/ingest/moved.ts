/** Sources that got another name in tarn.yaml: what the old one landed is what the new one has. */

import { LakeError } from "../base/errors.ts";
import { compilePath } from "../base/glob.ts";
import type { FileSourceConfig } from "./contract.ts";
import type { Ledger, LedgerFile } from "./ledger.ts";

/** A file that a source would take now. */
export interface OfferedFile {
  readonly file: string;
  readonly sizeBytes: number;
}

/** What a source without a past of its own goes on from, or why it cannot be told. */
export type Move =
  | { readonly kind: "from"; readonly source: string }
  | { readonly kind: "ask"; readonly error: LakeError };

/** In tarn.yaml: this source is new, whatever landed in its table before. */
export const MOVED_FROM_NONE = "none";

/**
 * The source that `config` is by another name: one that landed in the same table, is configured no longer, and took the
 * same files. Null for a source that has landed already, and for one whose table nobody else wrote.
 */
export async function moveOf(
  ledger: Ledger,
  config: FileSourceConfig,
  configured: ReadonlySet<string>,
  offered: readonly OfferedFile[],
): Promise<Move | null> {
  if (config.movedFrom === MOVED_FROM_NONE) return null;
  const landed = await ledger.sources();
  if (landed.some(({ source }) => source === config.name)) return null;
  const before = landed.filter(({ table }) => table === config.into).map(({ source }) => source);
  const { movedFrom } = config;
  if (movedFrom !== null) {
    if (!before.includes(movedFrom)) return null;
    if (configured.has(movedFrom)) return { kind: "ask", error: isBoth(config, movedFrom) };
    return { kind: "from", source: movedFrom };
  }
  const old = before.filter((source) => !configured.has(source));
  const same: string[] = [];
  for (const source of old) {
    const files = await ledger.files({ source, live: true });
    if (takesSameFiles(config, files, offered)) same.push(source);
  }
  const [only, ...others] = same;
  if (only !== undefined && others.length === 0) return { kind: "from", source: only };
  if (old.length === 0 || offered.length === 0) return null;
  return { kind: "ask", error: isWhich(config, old) };
}

/** By their names, or by what they are called and how long they are: a folder may have moved with its source. */
function takesSameFiles(
  { path }: FileSourceConfig,
  landed: readonly LedgerFile[],
  offered: readonly OfferedFile[],
): boolean {
  const compiled = compilePath(path);
  if (compiled.kind === "glob" && landed.some(({ file }) => compiled.glob.matches(file))) {
    return true;
  }
  const forms = new Set(landed.map(formOf));
  return offered.some((file) => forms.has(formOf(file)));
}

function formOf({ file, sizeBytes }: OfferedFile): string {
  return `${sizeBytes} ${file.slice(file.lastIndexOf("/") + 1)}`;
}

function isWhich({ name, into }: FileSourceConfig, old: readonly string[]): LakeError {
  const [first = ""] = old;
  const names = old.join(" and ");
  return new LakeError("config", `source ${name} is new, and ${names} landed in ${into} before`, {
    hint:
      `if it goes on where that stopped: moved_from: ${first} under ${name} in tarn.yaml; ` +
      `if it is another one: moved_from: ${MOVED_FROM_NONE}`,
    context: { source: name, table: into },
  });
}

function isBoth({ name }: FileSourceConfig, from: string): LakeError {
  return new LakeError("config", `source ${name} is moved from ${from}, which is there still`, {
    hint: `take ${from} out of tarn.yaml and its folder out of drops/, or give ${name} a table of its own`,
    context: { source: name },
  });
}
