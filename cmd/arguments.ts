/** The words of a command line as the arguments of a command. */

import type { ArgDef, ArgsDef, ParsedArgs } from "citty";

/**
 * Reads flags in the ways of getopt: `--name value`, `--name=value`, `--no-name`, `-n value`, `-nvalue`, `-qn value`.
 * The last of several wins. Other words are `_`, and so is everything behind `--`. Flags that are not in `defs` are
 * read as switches, for the command to refuse. A flag without its value is empty.
 */
export function parseArguments(words: readonly string[], defs: ArgsDef): ParsedArgs<ArgsDef> {
  const flags = flagsOf(defs);
  const others: string[] = [];
  const values: Record<string, string | boolean> = {};
  for (const [name, def] of Object.entries(defs)) {
    if (typeof def.default === "string" || typeof def.default === "boolean") {
      values[name] = def.default;
    }
  }
  const pending = [...words];
  for (let word = pending.shift(); word !== undefined; word = pending.shift()) {
    if (word === "--") {
      others.push(...pending.splice(0));
    } else if (word.startsWith("--")) {
      const { name, value } = split(word.slice(2));
      const flag = flags.get(name);
      if (name.startsWith("no-") && flag === undefined) values[name.slice(3)] = false;
      else if (flag?.takesValue === true) values[flag.name] = value ?? pending.shift() ?? "";
      else values[flag?.name ?? name] = value !== "false";
    } else if (/^-[A-Za-z]/.test(word)) {
      const letter = word.charAt(1);
      const rest = word.slice(2);
      const flag = flags.get(letter);
      if (flag?.takesValue === true) {
        values[flag.name] = rest !== "" ? rest : (pending.shift() ?? "");
      } else {
        values[flag?.name ?? letter] = true;
        if (rest !== "") pending.unshift(`-${rest}`);
      }
    } else {
      others.push(word);
    }
  }
  // parse: values are read by the types of `defs`
  return { ...values, _: others } as ParsedArgs<ArgsDef>; // parse: see above
}

interface Flag {
  readonly name: string;
  readonly takesValue: boolean;
}

/** Flags by their names and letters. */
function flagsOf(defs: ArgsDef): ReadonlyMap<string, Flag> {
  const flags = new Map<string, Flag>();
  for (const [name, def] of Object.entries(defs)) {
    if (def.type === "positional") continue;
    const flag = { name, takesValue: def.type === "string" };
    for (const each of [name, ...aliasesOf(def)]) flags.set(each, flag);
  }
  return flags;
}

function aliasesOf(def: ArgDef): readonly string[] {
  const alias = "alias" in def ? def.alias : undefined;
  return alias === undefined ? [] : [alias].flat();
}

function split(flag: string): { readonly name: string; readonly value: string | null } {
  const equals = flag.indexOf("=");
  if (equals < 0) return { name: flag, value: null };
  return { name: flag.slice(0, equals), value: flag.slice(equals + 1) };
}
