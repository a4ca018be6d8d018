/** Binding: one SELECT whose table names become exact file lists of pinned snapshots. DESIGN, decision 5. */

import { LakeError } from "../../core/base/errors.ts";
import type { Binding, TableRef } from "../../core/engine.ts";
import { VIEW_DEPTH_MAX } from "../../core/limits.ts";
import {
  FILE_ALIAS,
  isHidden,
  isReserved,
  LINEAGE_FIELDS,
  ROW_COLUMN,
  SOURCE_FILE_COLUMN,
} from "../../core/table/system-columns.ts";
import { spellRows } from "../analysis/whole-row.ts";
import type { DuckDB } from "../duckdb/duckdb.ts";
import {
  isNode,
  listAt,
  type Node,
  nameOutputs,
  nodeAt,
  parseSelect,
  printStatement,
  type Statement,
  type Tree,
  textAt,
  textsAt,
  visitNodes,
} from "../syntax/ast.ts";
import { isWord, nameOf, placeAt, tokensOf } from "../syntax/lexer.ts";
import { refuseOwnText } from "../syntax/quote.ts";
import { type FoundRef, findTables, pinTime, refKey } from "../syntax/table-ref.ts";
import { scanSql } from "./scan.ts";

export interface BindOptions {
  /** What `now()` and `current_date` are; null leaves them to the engine's clock. */
  readonly runTimeMs: number | null;
  /** What `now()` is in an `AT`, where `runTimeMs` is null: the bindings were found by the same time. */
  readonly atTime?: () => Promise<number>;
  /** Orders what would tie, so that a statement gives the same at every run: see analysis/ties.ts. */
  readonly orderTies?: boolean;
  /** Changes the tree after references have aliases and before ties are ordered. */
  readonly prepare?: (statement: Statement) => void;
  /** Changes the tree after references have aliases and before names become files. */
  readonly rewrite?: (statement: Statement, refs: readonly BoundRef[]) => void | Promise<void>;
  /** Other rows for a reference than its binding has, with the hidden columns that are asked for; null: those. */
  readonly read?: (ref: TableRef, hidden: ReadonlySet<string>) => Promise<string> | null;
  /** Puts something around the rows of a reference, such as a filter. */
  readonly wrap?: (ref: TableRef, sql: string) => string;
}

/** A reference that has a binding, and the name its columns are qualified with in the statement. */
export interface BoundRef extends FoundRef {
  readonly alias: string;
  readonly binding: Binding;
}

export interface Bound {
  readonly sql: string;
  /** An error of the bound statement, with its place in the statement as it was written. */
  locate(thrown: unknown): unknown;
}

const PLACEHOLDER = "lake_scan_";

/**
 * The statement with every reference that has a binding replaced by its files, by the syntax tree. References
 * without one are left as they are, so binding twice is binding once. Throws `sql` for a statement that does not
 * parse, `unsupported` for one that DuckDB cannot serialise.
 */
export async function bindSelect(
  db: DuckDB,
  sql: string,
  bindings: readonly Binding[],
  options: BindOptions,
): Promise<Bound> {
  const bound = await bindText(db, sql, bindings, options, 0);
  return { sql: bound, locate: (thrown) => relocated(thrown, sql) };
}

async function bindText(
  db: DuckDB,
  sql: string,
  bindings: readonly Binding[],
  options: BindOptions,
  depth: number,
): Promise<string> {
  if (depth > VIEW_DEPTH_MAX) {
    throw new LakeError("sql", `views are nested more than ${VIEW_DEPTH_MAX} deep`, {
      hint: "make one of the views a table (kind: full)",
    });
  }
  refuseOwnText(sql);
  const statement = await parseSelect(db, sql);
  const found = await findTables(db, statement, options.runTimeMs ?? options.atTime ?? null);
  refuseUnboundMoments(sql, found, bindings);
  const matched = matchRefs(found, bindings);
  await nameOutputs(db, statement.query, holding(matched.map(({ node }) => node)));
  const refs = giveAliases(statement, matched);
  options.prepare?.(statement);
  if (options.orderTies === true) {
    // Only models ask for it, and few statements are theirs.
    const { orderBoundTies } = await import("./tie-order.ts");
    await orderBoundTies(
      db,
      statement.query,
      refs.map((ref) => ({
        node: ref.node,
        scan: ref.binding.kind === "scan" ? ref.binding.scan : null,
        viewSql: () => rowsOf(db, ref, new Set(), options, depth),
      })),
    );
  }
  await options.rewrite?.(statement, refs);
  if (options.runTimeMs !== null) {
    await pinTime(db, statement.query, options.runTimeMs, columnNames(refs));
  }
  const hidden = hiddenNamed(statement.query);
  hideFromStars(statement.query, refs, hidden);
  hideFromRows(statement.query, refs, hidden);
  const prefix = freshPrefix(sql);
  const sourcesByName = new Map<string, string>();
  for (const [index, ref] of refs.entries()) {
    const name = `${prefix}${index}`;
    const own = hiddenOf(ref, hidden);
    const other = depth === 0 ? (options.read?.(ref.ref, own) ?? null) : null;
    const rows = await (other ?? rowsOf(db, ref, own, options, depth));
    const wrapped = depth === 0 ? (options.wrap?.(ref.ref, rows) ?? rows) : rows;
    sourcesByName.set(name, `(${wrapped})`);
    Object.assign(ref.node, {
      table_name: name,
      schema_name: "",
      catalog_name: "",
      at_clause: null,
    });
  }
  return replaceNames(await printStatement(db, statement), sourcesByName);
}

async function rowsOf(
  db: DuckDB,
  ref: BoundRef,
  hidden: ReadonlySet<string>,
  options: BindOptions,
  depth: number,
): Promise<string> {
  const { binding } = ref;
  if (binding.kind === "scan") return scanSql(db, binding.scan, { hidden });
  const { prepare: _, rewrite: __, wrap: ___, read: ____, ...inner } = options;
  return bindText(db, binding.sql, binding.bindings, inner, depth + 1);
}

/** Whether any of the nodes is below an expression. */
function holding(nodes: readonly Node[]): (item: Node) => boolean {
  const sought = new Set(nodes);
  return (item) => {
    let found = false;
    visitNodes(item, (node) => {
      found ||= sought.has(node);
      return !found;
    });
    return found;
  };
}

function matchRefs(
  found: readonly FoundRef[],
  bindings: readonly Binding[],
): (FoundRef & { readonly binding: Binding })[] {
  const bindingByKey = new Map(bindings.map((binding) => [refKey(binding.ref), binding]));
  return found.flatMap((ref) => {
    const binding = bindingByKey.get(refKey(ref.ref));
    return binding === undefined ? [] : [{ ...ref, binding }];
  });
}

/** DuckDB would say that its catalog knows no time travel, which helps nobody. */
function refuseUnboundMoments(
  sql: string,
  found: readonly FoundRef[],
  bindings: readonly Binding[],
): void {
  const known = new Set(bindings.map((binding) => refKey(binding.ref)));
  const unbound = found.find(({ ref }) => ref.at !== null && !known.has(refKey(ref)));
  if (unbound === undefined) return;
  throw new LakeError("not-found", `${unbound.ref.name} is no table of the lake`, {
    hint: "AT and AS OF need a table of the lake; list them with: tarn ls",
    ...(unbound.ref.offset === null ? {} : { place: placeAt(sql, unbound.ref.offset) }),
  });
}

/**
 * An alias for every bound reference without one: its last name, or the whole name where one FROM has two tables of
 * the same last name. Columns qualified by schema and table are made to follow.
 */
function giveAliases(
  statement: Statement,
  matched: readonly (FoundRef & { readonly binding: Binding })[],
): BoundRef[] {
  const plain = matched.map(({ node, ref }) => {
    const alias = textAt(node, "alias");
    return alias === "" ? withoutVersion(textAt(node, "table_name")) : (alias ?? ref.name);
  });
  const fromOf = fromIndex(statement.query);
  const refs = matched.map((item, index): BoundRef => {
    const own = plain[index] ?? item.ref.name;
    const from = fromOf.get(item.node);
    const clash = matched.some(
      (other, at) =>
        at !== index &&
        fromOf.get(other.node) === from &&
        (plain[at] ?? "").toLowerCase() === own.toLowerCase(),
    );
    const needsName = textAt(item.node, "alias") === "" && clash;
    return { ...item, alias: needsName ? item.ref.name : own };
  });
  const unaliased = refs.filter(({ node }) => textAt(node, "alias") === "");
  for (const ref of refs) ref.node.alias = ref.alias;
  unqualify(statement.query, unaliased);
  return refs;
}

/** `orders@12` is called `orders` in the statement. */
function withoutVersion(tableName: string): string {
  const at = tableName.indexOf("@");
  return at > 0 ? tableName.slice(0, at) : tableName;
}

/** `bronze.orders.id` becomes `orders.id`, because a subquery has no schema. */
function unqualify(query: Node, refs: readonly BoundRef[]): void {
  const aliasByName = new Map<string, string>();
  for (const { node, alias } of refs) {
    const schema = textAt(node, "schema_name").toLowerCase();
    const table = withoutVersion(textAt(node, "table_name")).toLowerCase();
    if (schema !== "") aliasByName.set(JSON.stringify([schema, table]), alias);
  }
  if (aliasByName.size === 0) return;
  visitNodes(query, (node) => {
    if (node.class !== "COLUMN_REF") return true;
    const names = textsAt(node, "column_names");
    if (names.length < 3) return true;
    const key = JSON.stringify(names.slice(0, 2).map((name) => name.toLowerCase()));
    const alias = aliasByName.get(key);
    if (alias !== undefined) node.column_names = [alias, ...names.slice(2)];
    return true;
  });
}

/** The SELECT whose FROM a table stands in directly. */
function fromIndex(query: Node): Map<Node, Node> {
  const selectByTable = new Map<Node, Node>();
  visitNodes(query, (node) => {
    if (node.type === "SELECT_NODE") {
      for (const table of tablesInFrom(nodeAt(node, "from_table"))) selectByTable.set(table, node);
    }
    return true;
  });
  return selectByTable;
}

/** The named tables of a FROM whose columns `*` gives: not those of subqueries, nor the filtering side of a join. */
export function tablesInFrom(from: Node | null): Node[] {
  if (from === null) return [];
  if (from.type === "BASE_TABLE") return [from];
  if (from.type !== "JOIN") return [];
  const left = tablesInFrom(nodeAt(from, "left"));
  const filters = from.join_type === "SEMI" || from.join_type === "ANTI";
  return filters ? left : [...left, ...tablesInFrom(nodeAt(from, "right"))];
}

const LINEAGE_NAMES: ReadonlySet<string> = new Set(LINEAGE_FIELDS.map(({ name }) => name));

/** Names of columns that answer to nothing else than their name; those of row lineage where a table has it. */
function isKept(name: string): boolean {
  return isReserved(name) || LINEAGE_NAMES.has(name);
}

/** Hidden columns that the statement names, each with its qualifier, or null. */
function hiddenNamed(query: Node): readonly (readonly [string | null, string])[] {
  const named: [string | null, string][] = [];
  visitNodes(query, (node) => {
    for (const column of textsAt(node, "using_columns")) {
      if (isKept(column.toLowerCase())) named.push([null, column.toLowerCase()]);
    }
    if (node.class !== "COLUMN_REF") return true;
    const names = textsAt(node, "column_names").map((name) => name.toLowerCase());
    const index = names.findIndex(isKept);
    const name = names[index];
    if (name !== undefined) named.push([names[index - 1] ?? null, name]);
    return true;
  });
  return named;
}

function hiddenOf(
  ref: Pick<BoundRef, "alias" | "binding">,
  named: readonly (readonly [string | null, string])[],
): ReadonlySet<string> {
  if (ref.binding.kind === "view") return new Set();
  const alias = ref.alias.toLowerCase();
  const own = named.filter(([qualifier]) => qualifier === null || qualifier === alias);
  const { schema, hasLineage = false } = ref.binding.scan;
  const stored = new Set(schema.fields.map((field) => field.name));
  const isThere = (name: string) => {
    if (LINEAGE_NAMES.has(name)) return hasLineage && !stored.has(name);
    if (name === FILE_ALIAS) return !stored.has(name) && stored.has(SOURCE_FILE_COLUMN);
    return name === ROW_COLUMN.name || stored.has(name);
  };
  return new Set(own.map(([, name]) => name).filter(isThere));
}

/** A named hidden column is there to be named; `*` still leaves it out. */
function hideFromStars(
  query: Node,
  refs: readonly BoundRef[],
  named: readonly (readonly [string | null, string])[],
): void {
  const refByNode = new Map(refs.map((ref) => [ref.node, ref]));
  visitNodes(query, (select) => {
    if (select.type !== "SELECT_NODE") return true;
    const inFrom = tablesInFrom(nodeAt(select, "from_table"))
      .map((table) => refByNode.get(table))
      .filter((ref) => ref !== undefined);
    const pairs = inFrom.flatMap((ref) =>
      [...hiddenOf(ref, named)].map((column) => ({ table: ref.alias, column })),
    );
    excludeFromStars(select, pairs, inFrom.length > 0);
    return true;
  });
}

/** The row of a table as a value leaves them out too. */
function hideFromRows(
  query: Node,
  refs: readonly BoundRef[],
  named: readonly (readonly [string | null, string])[],
): void {
  const fromOf = fromIndex(query);
  for (const { node, alias, binding } of refs) {
    const select = fromOf.get(node);
    if (select === undefined || binding.kind === "view") continue;
    if (hiddenOf({ alias, binding }, named).size === 0) continue;
    const beside = refs.filter((ref) => fromOf.get(ref.node) === select);
    // A column of that name comes before the table.
    if (columnNames(beside).has(alias.toLowerCase())) continue;
    const columns = binding.scan.schema.fields.map((field) => field.name);
    spellRows(select, { alias, columns: columns.filter((name) => !isHidden(name)) });
  }
}

/** Adds `EXCLUDE (table.column, …)` to the stars of one SELECT, not to those of its subqueries. */
export function excludeFromStars(
  select: Node,
  pairs: readonly { readonly table: string; readonly column: string }[],
  hasBound: boolean,
): void {
  const own: Tree[] = Object.entries(select)
    .filter(([key]) => key !== "from_table" && key !== "cte_map")
    .map(([, value]) => value);
  visitNodes(own, (node) => {
    if (isQueryNode(node)) return false;
    if (node.class !== "STAR") return true;
    const relation = textAt(node, "relation_name").toLowerCase();
    const matching = pairs.filter(
      ({ table }) => relation === "" || table.toLowerCase() === relation,
    );
    if (hasBound) dropHiddenExcludes(node);
    if (node.expr === null || node.expr === undefined) {
      listAt(node, "qualified_exclude_list").push(...matching.map(qualifiedColumn));
    }
    return true;
  });
}

function qualifiedColumn(pair: { readonly table: string; readonly column: string }): Node {
  return { catalog: "", schema: "", table: pair.table, column: pair.column };
}

function isQueryNode(node: Node): boolean {
  return "cte_map" in node;
}

/** `* EXCLUDE (_source_file)` is what happens anyway, and DuckDB refuses to leave out what is not there. */
function dropHiddenExcludes(star: Node): void {
  const names = listAt(star, "exclude_list");
  const kept = names.filter((name) => typeof name !== "string" || !isHidden(name.toLowerCase()));
  names.splice(0, names.length, ...kept);
  const qualified = listAt(star, "qualified_exclude_list");
  const keptPairs = qualified.filter(
    (pair) => !isNode(pair) || !isHidden(textAt(pair, "column").toLowerCase()),
  );
  qualified.splice(0, qualified.length, ...keptPairs);
}

function columnNames(refs: readonly BoundRef[]): ReadonlySet<string> {
  const names = new Set<string>();
  for (const { binding } of refs) {
    if (binding.kind !== "scan") continue;
    for (const field of binding.scan.schema.fields) names.add(field.name.toLowerCase());
  }
  return names;
}

function freshPrefix(sql: string): string {
  let prefix = PLACEHOLDER;
  while (sql.includes(prefix)) prefix += "_";
  return prefix;
}

/** Puts the sources in place of the names that were chosen for them; on tokens, so never inside a literal. */
function replaceNames(sql: string, sourcesByName: ReadonlyMap<string, string>): string {
  let output = "";
  let at = 0;
  for (const token of tokensOf(sql)) {
    const source =
      token.kind === "word" || token.kind === "quoted"
        ? sourcesByName.get(nameOf(token))
        : undefined;
    if (source === undefined) continue;
    output += sql.slice(at, token.start) + source;
    at = token.end;
  }
  return output + sql.slice(at);
}

/** The bound text is not what the user wrote: an error's place is found again by the word it points at. */
export function relocated(thrown: unknown, sql: string): unknown {
  if (!(thrown instanceof LakeError) || thrown.code !== "sql") return thrown;
  const named = /(?:column|function|name|table) "?([\p{L}_][\p{L}\p{N}_$.]*)"?/iu.exec(
    thrown.message,
  );
  const word = named?.[1]?.split(".").at(-1)?.toLowerCase();
  const token = tokensOf(sql).find(
    (candidate) =>
      word !== undefined &&
      (candidate.kind === "quoted"
        ? nameOf(candidate).toLowerCase() === word
        : isWord(candidate, word)),
  );
  const place = token === undefined ? null : placeAt(sql, token.start);
  return new LakeError("sql", thrown.message, {
    ...(thrown.hint === null ? {} : { hint: thrown.hint }),
    ...(place === null ? {} : { place }),
    context: Object.fromEntries(
      Object.entries(thrown.context).filter(([key]) => key !== "position"),
    ),
    cause: thrown.cause,
  });
}

export { tablesIn } from "../syntax/table-ref.ts";
