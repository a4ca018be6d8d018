/** The macros of a project on disk, and what is wrong with them as a set. */

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { LakeError } from "../../core/base/errors.ts";
import type { Macro, Macros } from "../../core/model/macros.ts";
import { FUNCTION_NAMES } from "../../sql/duckdb/function-names.ts";
import { circleOf, readMacros } from "../../sql/syntax/macros.ts";

/** Reads the files; never throws for what they say. */
export function readMacroFiles(
  root: string,
  files: readonly string[],
): { readonly macros: Macros; readonly errors: readonly LakeError[] } {
  const errors: LakeError[] = [];
  const macros = new Map<string, Macro>();
  for (const file of files) {
    const read = readMacros(file, readFileSync(join(root, file), "utf8"));
    errors.push(...read.errors);
    for (const macro of read.macros) {
      const name = macro.name.toLowerCase();
      const before = macros.get(name);
      const fault = before === undefined ? takenName(macro) : secondOf(before);
      if (fault === null) macros.set(name, macro);
      else errors.push(wrong(macro, fault.message, fault.hint));
    }
  }
  const told = new Set<string>();
  for (const macro of macros.values()) {
    const circle = circleOf(macro, macros);
    if (circle === null || circle.some((name) => told.has(name))) continue;
    for (const name of circle) told.add(name);
    const message = `macros call each other in a circle: ${circle.join(" → ")}`;
    errors.push(wrong(macro, message, "break it: one of them must not call the other"));
  }
  return { macros, errors };
}

function takenName({ name, replaces }: Macro) {
  if (replaces || !FUNCTION_NAMES.has(name.toLowerCase())) return null;
  const hint = `give it another name, or say that it is meant: CREATE OR REPLACE MACRO ${name}`;
  return { message: `${name} is a function of the engine`, hint };
}

function secondOf({ place }: Macro) {
  const message = `this macro is defined in ${place.file}:${place.line} too`;
  return { message, hint: "keep one; forms by number of arguments stand in one statement" };
}

function wrong({ place }: Macro, message: string, hint: string): LakeError {
  return new LakeError("config", message, { hint, place, page: "T0121" });
}
