/** The corrections of a project on disk, and what is wrong with them. */

import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { LakeError } from "../../core/base/errors.ts";
import type { LakeConfig } from "../../core/config.ts";
import { type CorrectionFile, parseCorrection } from "../../core/model/correction-file.ts";
import type { Macros } from "../../core/model/macros.ts";
import { correctionText } from "../../sql/syntax/correction.ts";
import { MODEL_TOOLS } from "./model-tools.ts";
import { parseYaml } from "./yaml.ts";

/** Reads the files, which take effect in the order of their names; never throws for what they say. */
export function readCorrections(
  root: string,
  files: readonly string[],
  { config, macros }: { readonly config: LakeConfig; readonly macros: Macros },
): { readonly found: readonly CorrectionFile[]; readonly errors: readonly LakeError[] } {
  const errors: LakeError[] = [];
  const found: CorrectionFile[] = [];
  const { variables, timezone } = config;
  const bound = { variables, macros, onFailOf: () => null, timezone, nowMs: Date.now() };
  const context = { parseYaml, ...MODEL_TOOLS, ...bound, cut: correctionText };
  for (const file of files) {
    const read = parseCorrection(file, readFileSync(join(root, file), "utf8"), context);
    errors.push(...read.errors);
    if (read.correction !== null) found.push(read.correction);
  }
  return { found, errors };
}
