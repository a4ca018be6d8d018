/** What a table name in a statement means: exact names first, then the layers gold, silver, bronze. */

import { compareCodePoints } from "../base/order.ts";
import { nearestWords } from "../base/suggest.ts";
import type { TableName } from "../table/types.ts";

/** Namespaces an unqualified name is looked for in, in the order they are listed. DESIGN, Settled. */
export const SEARCH_PATH = ["gold", "silver", "bronze"] as const;

export type NameFound =
  | { readonly kind: "table"; readonly name: TableName }
  /** Several tables have this last name. */
  | { readonly kind: "ambiguous"; readonly names: readonly TableName[] }
  | { readonly kind: "unknown"; readonly nearest: readonly TableName[] }
  /** Not a lake table: a file, a system table, a metadata table of another one. */
  | { readonly kind: "other"; readonly what: "file" | "system" | "metadata" };

/** True for what reads like a path, or ends as files do that are asked by their names; what lands may end otherwise. */
export function isFileName(name: string): boolean {
  return (
    /[/\\]/.test(name) || /\.(csv|tsv|json|jsonl|ndjson|parquet|avro|xlsx)(\.\w+)?$/i.test(name)
  );
}

/** Looks names up in a set of tables; build it once for many names. SQL names ignore case. */
export class TableNames {
  readonly #byLower: ReadonlyMap<string, TableName>;
  readonly #byLastPart: ReadonlyMap<string, readonly TableName[]>;

  constructor(names: Iterable<TableName>) {
    const sorted = [...new Set(names)].sort(compareCodePoints);
    this.#byLower = new Map(sorted.map((name) => [name.toLowerCase(), name]));
    const byLastPart = new Map<string, TableName[]>();
    for (const name of sorted) {
      const last = name.slice(name.indexOf(".") + 1).toLowerCase();
      byLastPart.set(last, [...(byLastPart.get(last) ?? []), name]);
    }
    this.#byLastPart = byLastPart;
  }

  /**
   * A name as written, unquoted: `silver.orders`, `orders`, `silver.orders@12`, `orders$snapshots`, `drops/x.csv`. A
   * table may be called like a format: only what is one word with a dot in it is a file before it is a table.
   */
  lookUp(written: string, isOneWord = false): NameFound {
    const name = written.replace(/@[^@]*$/, "").toLowerCase();
    const exact = this.#byLower.get(name);
    if (exact !== undefined && !(isOneWord && isFileName(name))) {
      return { kind: "table", name: exact };
    }
    if (isFileName(name)) return { kind: "other", what: "file" };
    if (name.includes("$")) return { kind: "other", what: "metadata" };
    if (name.startsWith("lake.")) return { kind: "other", what: "system" };
    if (!name.includes(".")) {
      const found = this.#byLastPart.get(name) ?? [];
      const visible = SEARCH_PATH.flatMap((layer) =>
        found.filter((candidate) => candidate.startsWith(`${layer}.`)),
      );
      const [first] = visible;
      if (visible.length > 1) return { kind: "ambiguous", names: visible };
      if (first !== undefined) return { kind: "table", name: first };
    }
    return { kind: "unknown", nearest: this.#nearest(name) };
  }

  /** By the whole name; or, when nothing is near, by the last part alone. */
  #nearest(name: string): TableName[] {
    const qualified = nearestWords(name, this.#byLower.values());
    if (qualified.length > 0) return qualified;
    const last = name.slice(name.indexOf(".") + 1);
    const parts = nearestWords(last, this.#byLastPart.keys());
    return parts.flatMap((part) => this.#byLastPart.get(part) ?? []).slice(0, 3);
  }
}
