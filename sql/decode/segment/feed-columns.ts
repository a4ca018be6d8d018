/** The columns that the rows of a segment fill, each with its leaves. */

import type { DecodeRequest } from "../../../core/engine.ts";
import { FEED } from "../../../core/ingest/feed.ts";
import { STRING, sameType } from "../../../core/table/type-text.ts";
import type { Type } from "../../../core/table/types.ts";
import type { PartColumn } from "../made/column-part.ts";
import type { FilledColumn } from "../made/group-target.ts";
import type { Leaf, PageForm } from "../made/pages.ts";
import { leavesOf } from "../made/part-leaves.ts";
import { RunColumn } from "../made/run-column.ts";
import { findName, sourceColumns, unknownNames } from "../target-columns.ts";
import type { TablePlan } from "./table-plan.ts";

/** What is the same for many rows of a feed. */
const IN_RUNS: ReadonlySet<string> = new Set([FEED.op, FEED.transaction, FEED.committedAt]);

export class FeedColumns {
  /** In the order of the table's. */
  readonly filled: readonly FilledColumn[];
  readonly #leaves: readonly Leaf[];
  /** By the name in the feed. */
  readonly #leafByName = new Map<string, PartColumn>();
  readonly #runsByName = new Map<string, RunColumn>();
  readonly #typeByName = new Map<string, Type>();
  /** Of `_before`, by the name of the field. */
  readonly beforeByName = new Map<string, { readonly leaf: PartColumn; readonly type: Type }>();
  /** Columns that the feed does not have. */
  readonly unfilled: PartColumn[] = [];

  private constructor(plan: TablePlan, request: DecodeRequest, form: PageForm) {
    const names = plan.columns.map(({ name }) => name);
    this.filled = sourceColumns(request).map(({ field, decode }) => {
      const name = names[findName(names, decode.source)];
      return { field, leaves: this.#made(name, field.type, form) };
    });
    this.#leaves = this.filled.flatMap(({ leaves }) => leaves);
  }

  /** Null where values of the columns are to be looked at, whatever they are. */
  static of(plan: TablePlan, request: DecodeRequest, form: PageForm): FeedColumns | null {
    const columns = sourceColumns(request);
    const names = plan.columns.map(({ name }) => name);
    if (unknownNames(names, columns).length > 0) return null;
    const typeOf = new Map(plan.columns.map(({ name, type }) => [name, type]));
    for (const { field, decode } of columns) {
      const { required, expression, source, awaits } = decode;
      if (required || expression !== null || awaits !== undefined) return null;
      const isFeeds = names.indexOf(source, plan.ownCount) >= 0 && source !== FEED.before;
      if (isFeeds && !sameType(field.type, typeOf.get(source) ?? STRING)) return null;
      const isOdd = field.type.kind === "struct" && source !== FEED.before;
      if (isOdd || field.type.kind === "map" || field.type.kind === "fixed") return null;
      if (source === FEED.before && field.type.kind !== "struct") return null;
      if (field.type.kind === "list" && source !== FEED.unchanged) return null;
    }
    return new FeedColumns(plan, request, form);
  }

  leaf(name: string): PartColumn | null {
    return this.#leafByName.get(name) ?? null;
  }

  /** Those of columns of the feed that hold one leaf, by the names of the table's. */
  leavesOf(names: readonly string[]): ReadonlyMap<string, Leaf> {
    return new Map(
      names.flatMap((name) => {
        const leaf = this.#leafByName.get(name) ?? this.#runsByName.get(name);
        const filled = this.filled.find(({ leaves }) => leaf !== undefined && leaves[0] === leaf);
        return leaf === undefined || filled === undefined ? [] : [[filled.field.name, leaf]];
      }),
    );
  }

  /** Of a column that is the same for many rows. */
  runs(name: string): RunColumn | null {
    return this.#runsByName.get(name) ?? null;
  }

  type(name: string): Type {
    return this.#typeByName.get(name) ?? STRING;
  }

  /** Ends pages that are large enough; answers how much is held. */
  endPages(): number {
    let total = 0;
    for (const leaf of this.#leaves) {
      leaf.endPage();
      total += leaf.sizeBytes;
    }
    return total;
  }

  #made(name: string | undefined, type: Type, form: PageForm): readonly Leaf[] {
    if (name !== undefined && IN_RUNS.has(name)) {
      const runs = new RunColumn(type, form);
      this.#runsByName.set(name, runs);
      return [runs];
    }
    const leaves = leavesOf(type, form);
    const [first] = leaves;
    if (name === undefined || first === undefined) this.unfilled.push(...leaves);
    else if (type.kind === "struct") {
      for (const [at, { name: inner, type: innerType }] of type.fields.entries()) {
        const leaf = leaves[at];
        if (leaf !== undefined) this.beforeByName.set(inner, { leaf, type: innerType });
      }
    } else {
      this.#leafByName.set(name, first);
      this.#typeByName.set(name, type);
    }
    return leaves;
  }
}
