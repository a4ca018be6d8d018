/** Statements about a table as such, in their parts as written: CREATE, ALTER, DROP, COMMENT. */

import { unsupported } from "../query/error.ts";
import { Clauses } from "../syntax/clauses.ts";
import { columnName, readTarget, type Target } from "./target.ts";

export interface Create {
  readonly kind: "create";
  readonly target: Target;
  readonly isReplacing: boolean;
  readonly isOptional: boolean;
  /** Of `CREATE TABLE t (…)`, with its brackets; null where columns are those of the query. */
  readonly columns: string | null;
  /** What columns of the query are called instead; null: as they are. */
  readonly names: readonly string[] | null;
  readonly query: string | null;
  /** WITH NO DATA: the columns alone. */
  readonly isEmpty: boolean;
  readonly partitionedBy: readonly string[];
  readonly sortedBy: readonly string[];
  /** `name = value`, as written. */
  readonly properties: readonly string[];
}

export type TableStatement =
  | Create
  | {
      readonly kind: "drop";
      readonly target: Target;
      readonly isOptional: boolean;
      /** CASCADE: even while models read it. */
      readonly isForced: boolean;
    }
  | {
      readonly kind: "alter";
      readonly target: Target;
      readonly isOptional: boolean;
      readonly change: Alteration;
    }
  | {
      readonly kind: "comment";
      /** Of the table, or of a column of it behind its name. */
      readonly parts: readonly string[];
      readonly isColumn: boolean;
      /** An expression. */
      readonly sql: string;
    };

export type Alteration =
  | {
      readonly kind: "add";
      readonly path: readonly string[];
      readonly type: string;
      readonly isOptional: boolean;
    }
  | { readonly kind: "drop"; readonly path: readonly string[]; readonly isOptional: boolean }
  | { readonly kind: "rename"; readonly path: readonly string[]; readonly to: string }
  | { readonly kind: "rename-table"; readonly to: readonly string[] }
  | { readonly kind: "type"; readonly path: readonly string[]; readonly type: string }
  | { readonly kind: "optional"; readonly path: readonly string[] }
  /** `name = value`; names alone where they are taken out. */
  | { readonly kind: "set"; readonly properties: readonly string[] }
  | { readonly kind: "reset"; readonly properties: readonly string[] }
  | { readonly kind: "partition"; readonly by: readonly string[] }
  | { readonly kind: "sort"; readonly by: readonly string[] };

/** Behind CREATE. */
export function readCreate(clauses: Clauses): Create {
  const isReplacing = clauses.take("or", "replace");
  clauses.take("table");
  const isOptional = clauses.take("if", "not", "exists");
  const parts = clauses.name();
  const target = { parts, alias: parts.at(-1) ?? "", hasAlias: false };
  const open = clauses.at;
  const columns = clauses.list();
  const text = columns === null ? null : clauses.text(open, clauses.at);
  let partitionedBy: readonly string[] = [];
  let sortedBy: readonly string[] = [];
  let properties: readonly string[] = [];
  for (;;) {
    if (clauses.take("partitioned", "by")) partitionedBy = clauses.list() ?? [];
    else if (clauses.take("sorted", "by")) sortedBy = clauses.list() ?? [];
    else if (clauses.take("with")) properties = clauses.list() ?? [];
    else break;
  }
  const isQuery = clauses.take("as");
  const query = isQuery ? clauses.until(["with", "no", "data"], ["with", "data"]) : null;
  const isEmpty = clauses.take("with", "no", "data");
  return {
    kind: "create",
    target,
    isReplacing,
    isOptional,
    columns: isQuery ? null : text,
    names: isQuery && columns !== null ? columns.map(columnName) : null,
    query,
    isEmpty,
    partitionedBy,
    sortedBy,
    properties,
  };
}

/** Behind ALTER. */
export function readAlter(clauses: Clauses): TableStatement {
  if (!clauses.take("table")) {
    const what = clauses.tokens[clauses.at]?.text.toUpperCase() ?? "";
    throw unsupported(`ALTER ${what} is not available here`, "alter table t …");
  }
  const isOptional = clauses.take("if", "exists");
  const target = readTarget(clauses, ALTERATIONS);
  return { kind: "alter", target, isOptional, change: readAlteration(clauses) };
}

const ALTERATIONS: ReadonlySet<string> = new Set("add drop rename alter set reset".split(" "));

function readAlteration(clauses: Clauses): Alteration {
  if (clauses.take("add")) {
    if (clauses.sees("constraint") || clauses.sees("primary")) throw noConstraints();
    clauses.take("column");
    const isOptional = clauses.take("if", "not", "exists");
    const path = clauses.name();
    return { kind: "add", path, type: typeOf(clauses), isOptional };
  }
  if (clauses.take("drop")) {
    if (clauses.sees("constraint")) throw noConstraints();
    clauses.take("column");
    const isOptional = clauses.take("if", "exists");
    return { kind: "drop", path: clauses.name(), isOptional };
  }
  if (clauses.take("rename", "to")) return { kind: "rename-table", to: clauses.name() };
  if (clauses.take("rename")) {
    clauses.take("column");
    const path = clauses.name();
    clauses.take("to");
    return { kind: "rename", path, to: clauses.name().join(".") };
  }
  if (clauses.take("alter")) return readColumn(clauses);
  const isSet = clauses.take("set");
  if (!isSet) clauses.take("reset");
  if (clauses.take("partitioned", "by")) {
    return { kind: "partition", by: isSet ? (clauses.list() ?? []) : [] };
  }
  if (clauses.take("sorted", "by"))
    return { kind: "sort", by: isSet ? (clauses.list() ?? []) : [] };
  const properties = clauses.list();
  if (properties !== null) return { kind: isSet ? "set" : "reset", properties };
  throw unsupported(
    `ALTER TABLE … ${clauses.text(clauses.at - 1, clauses.tokens.length)} is not available here`,
    "to give a table another name: alter table gold.t rename to u",
  );
}

function readColumn(clauses: Clauses): Alteration {
  clauses.take("column");
  const path = clauses.name();
  clauses.take("set", "data");
  clauses.take("set");
  if (clauses.take("type")) return { kind: "type", path, type: typeOf(clauses) };
  if (clauses.take("drop", "not", "null")) return { kind: "optional", path };
  if (clauses.sees("not", "null")) {
    throw unsupported("a column that may hold NULL cannot become required", "check it in a model");
  }
  throw unsupported("columns have no defaults", "say the value where rows are inserted");
}

/** A type to the end of the statement; nothing may follow it. */
function typeOf(clauses: Clauses): string {
  const first = clauses.at;
  for (const { text } of clauses.tokens.slice(first)) {
    const word = text.toLowerCase();
    if (word === "default" || word === "using" || word === "check" || word === "not") {
      const what = { default: "a default", using: "USING", check: "a constraint", not: "NOT NULL" };
      throw unsupported(
        `a column cannot be given ${what[word]} here`,
        "add it as it is, then: update t set c = …",
      );
    }
  }
  clauses.at = clauses.tokens.length;
  return clauses.text(first, clauses.at);
}

function noConstraints() {
  return unsupported(
    "tables of the lake have no constraints but NOT NULL",
    "check rows in a model",
  );
}

/** `ALTER t ALTER a.b …` as `ALTER t ALTER a …`; the same text for anything else. */
export function withPlainColumn(sql: string): string {
  const clauses = new Clauses(sql);
  if (!clauses.take("alter", "table")) return sql;
  clauses.take("if", "exists");
  clauses.name();
  if (!clauses.take("alter")) return sql;
  clauses.take("column");
  const first = clauses.tokens[clauses.at];
  const { length } = clauses.name();
  if (first === undefined || length < 2) return sql;
  return sql.slice(0, first.end) + sql.slice(clauses.tokens[clauses.at - 1]?.end);
}

/** Behind COMMENT ON. */
export function readComment(clauses: Clauses): TableStatement {
  const isColumn = clauses.take("column");
  if (!isColumn && !clauses.take("table")) {
    const what = clauses.tokens[clauses.at]?.text.toUpperCase() ?? "";
    throw unsupported(`COMMENT ON ${what} is not available here`, "comment on table or on column");
  }
  const parts = clauses.name();
  clauses.take("is");
  return { kind: "comment", parts, isColumn, sql: clauses.text(clauses.at, clauses.tokens.length) };
}
