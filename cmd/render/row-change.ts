/** One row that differs, in a line. */

import type { Diff } from "../../core/engine.ts";
import { printable } from "./style.ts";

const SIGNS = { added: "+", removed: "-", changed: "~" } as const;

/** Its key, then the values that differ, or all of a row that is new or gone. */
export function rowChangeText({ change, key, values }: Diff["sample"][number]): string {
  const names = Object.entries(key).map(([column, value]) => `${column} ${value ?? "NULL"}`);
  const texts = values.map((value) => {
    const [from, to] = [value.before ?? "NULL", value.after ?? "NULL"];
    if (change === "changed") return `${value.column} ${from} → ${to}`;
    return `${value.column} ${change === "added" ? to : from}`;
  });
  return printable(`${SIGNS[change]} ${[...names, ...texts].join("   ")}`);
}
