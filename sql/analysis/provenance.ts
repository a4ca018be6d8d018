/**
 * Provenance carried through a query: `_batch`, `_source_file`, `_row` and `_ingested_at` of the driving row beside
 * every output row, added to the select lists on the way by the syntax tree.
 */

import { LakeError } from "../../core/base/errors.ts";
import { PROVENANCE_COLUMNS, type TableRef } from "../../core/engine.ts";
import { type BoundRef, excludeFromStars } from "../bind/bind.ts";
import { columnRef, listAt, type Node, type Statement, textAt } from "../syntax/ast.ts";
import { ownName } from "../syntax/quote.ts";
import { wayOf } from "./analyze.ts";
import type { Step } from "./shape.ts";

/** What the columns are called in the bound query, so that none of its own is in the way. */
export const CARRIED_COLUMNS: readonly string[] = PROVENANCE_COLUMNS.map(ownName);

/**
 * A rewrite for `bindSelect` that appends CARRIED_COLUMNS to the output. Throws LakeError `unsupported` when the
 * query's shape does not allow it; `analyze` says so before.
 */
export function carryProvenance(
  driver: TableRef,
): (statement: Statement, refs: readonly BoundRef[]) => void {
  return (statement, refs) => {
    const way = wayOf(statement, refs, driver);
    if (way.kind !== "found") {
      throw new LakeError(
        "unsupported",
        `rows cannot be followed from ${driver.name}: ${way.kind === "blocked" ? way.reason : "it is not read"}`,
        {
          hint: "make the model kind: full, or write it as filters, projections and joins over one driving input",
          context: { table: driver.name },
        },
      );
    }
    const aliases = new Map(refs.map((ref) => [ref.node, ref.alias]));
    new Carrier(aliases).carry(way.step);
  };
}

class Carrier {
  readonly #aliasByDriver: ReadonlyMap<Node, string>;
  /** A CTE that both branches of a union read is carried through once. */
  readonly #done = new Set<Node>();
  #subqueries = 0;

  constructor(aliasByDriver: ReadonlyMap<Node, string>) {
    this.#aliasByDriver = aliasByDriver;
  }

  carry(step: Step): void {
    if (step.kind === "union") {
      this.carry(step.left);
      this.carry(step.right);
      return;
    }
    const { select, source, next } = step;
    if (this.#done.has(select)) return;
    this.#done.add(select);
    const alias = this.#aliasOf(source);
    if (next !== null) {
      this.carry(next);
      const pairs = CARRIED_COLUMNS.map((column) => ({ table: alias, column }));
      excludeFromStars(select, pairs, false);
    }
    const names = next === null ? PROVENANCE_COLUMNS : CARRIED_COLUMNS;
    const added = names.map((name, index) => columnRef([alias, name], CARRIED_COLUMNS[index]));
    listAt(select, "select_list").push(...added);
  }

  #aliasOf(source: Node): string {
    const driver = this.#aliasByDriver.get(source);
    if (driver !== undefined) return driver;
    const own = textAt(source, "alias");
    if (own !== "") return own;
    if (source.type === "BASE_TABLE") return textAt(source, "table_name");
    source.alias = ownName(`part ${this.#subqueries++}`);
    return textAt(source, "alias");
  }
}
