/** MERGE in its parts: source, condition, and what is done with rows that match and those that do not. */

import { unsupported } from "../query/error.ts";
import { Clauses } from "../syntax/clauses.ts";
import {
  type Assignment,
  columnName,
  readAssignment,
  readTarget,
  refuseReturning,
  type Target,
} from "./target.ts";

export type MergeAction =
  | { readonly kind: "update"; readonly set: readonly Assignment[] }
  /** All columns from the source, by name or by position. */
  | { readonly kind: "update-all"; readonly isByName: boolean }
  | { readonly kind: "delete" }
  | {
      readonly kind: "insert";
      /** Null: all, in their order. */
      readonly columns: readonly string[] | null;
      readonly values: readonly string[];
    }
  | { readonly kind: "insert-all"; readonly isByName: boolean }
  | { readonly kind: "nothing" }
  | { readonly kind: "error"; readonly sql: string };

export interface MergeClause {
  readonly when: "matched" | "not-matched" | "not-matched-by-source";
  /** Empty: always. */
  readonly and: string;
  readonly action: MergeAction;
}

export interface Merge {
  readonly kind: "merge";
  readonly target: Target;
  readonly ctes: string;
  readonly source: string;
  /** Empty where columns are named instead. */
  readonly on: string;
  readonly using: readonly string[];
  readonly clauses: readonly MergeClause[];
}

/** Behind MERGE INTO. */
export function readMerge(clauses: Clauses, ctes: string): Merge {
  const target = readTarget(clauses, new Set(["using"]));
  clauses.take("using");
  const start = clauses.at;
  const source = clauses.untilLast(["when"], ["on"]);
  let on = "";
  let using: readonly string[] = [];
  if (source !== null) {
    clauses.take("on");
    on = clauses.until(["when"]);
  } else {
    clauses.at = start;
    const before = clauses.untilLast(["when"], ["using"]);
    if (before === null) throw unsupported("MERGE needs a condition", "using s on t.id = s.id");
    clauses.take("using");
    using = (clauses.list() ?? []).map(columnName);
  }
  const name = source ?? clauses.text(start, endOfSource(clauses, start));
  const found: MergeClause[] = [];
  while (clauses.take("when")) found.push(readClause(clauses));
  refuseReturning(clauses);
  return { kind: "merge", target, ctes, source: name, on, using, clauses: found };
}

function endOfSource(clauses: Clauses, start: number): number {
  const here = clauses.at;
  clauses.at = start;
  clauses.untilLast(["when"], ["using"]);
  const end = clauses.at;
  clauses.at = here;
  return end;
}

function readClause(clauses: Clauses): MergeClause {
  const isNot = clauses.take("not");
  clauses.take("matched");
  const isBySource = clauses.take("by", "source");
  clauses.take("by", "target");
  const when = isBySource ? "not-matched-by-source" : isNot ? "not-matched" : "matched";
  const and = clauses.take("and") ? clauses.until(["then"]) : "";
  clauses.take("then");
  const first = clauses.at;
  clauses.until(["when"], ["returning"]);
  const action = readAction(new Clauses(clauses.text(first, clauses.at)));
  return { when, and, action };
}

function readAction(clauses: Clauses): MergeAction {
  if (clauses.take("delete")) return { kind: "delete" };
  if (clauses.take("do", "nothing")) return { kind: "nothing" };
  if (clauses.take("error")) {
    return { kind: "error", sql: clauses.text(clauses.at, clauses.tokens.length) };
  }
  if (clauses.take("update")) {
    const isByName = takeOrder(clauses);
    const isSet = clauses.take("set");
    clauses.take("*");
    if (!isSet || clauses.isDone) return { kind: "update-all", isByName };
    const set = clauses.parts(clauses.at, clauses.tokens.length).flatMap(readAssignment);
    return { kind: "update", set };
  }
  clauses.take("insert");
  const isByName = takeOrder(clauses);
  const columns = clauses.sees("(") ? (clauses.list() ?? []).map(columnName) : null;
  if (clauses.take("default", "values")) return { kind: "insert", columns: [], values: [] };
  if (clauses.take("values")) {
    const values = (clauses.list() ?? []).map((text) => (/^default$/i.test(text) ? "NULL" : text));
    return { kind: "insert", columns, values };
  }
  clauses.take("*");
  return { kind: "insert-all", isByName };
}

/** By position, unless it says otherwise: as in DuckDB. */
function takeOrder(clauses: Clauses): boolean {
  return clauses.take("by", "name") || (clauses.take("by", "position") && false);
}
