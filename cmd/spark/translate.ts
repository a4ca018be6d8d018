/**
 * A query of DuckDB as one of Spark. The library changes the words; what the words mean is looked at here, node by
 * node: a node whose meaning is the same to both is kept, one that can be written so that it is gets written so, and
 * any other is refused with its place. So a construct that nobody has looked at is never translated by chance.
 * Compared by running both in tests/conformance/spark-job.ts.
 */

import type { Library, Piece } from "./library.ts";

/** What stands in the way, and where in the query. Lines and columns from 1. */
export interface Obstacle {
  readonly what: string;
  readonly line: number;
  readonly column: number;
}

export interface TranslateRequest {
  readonly sql: string;
  /** The name in Spark of a table, or why it has none. */
  table(parts: readonly string[]): { readonly parts: readonly string[] } | { readonly not: string };
}

export type Translated =
  | { readonly kind: "spark"; readonly sql: string }
  | { readonly kind: "refused"; readonly obstacles: readonly Obstacle[] };

type Tree = { [key: string]: Piece };

/** The same to both engines once the library has spelled them. */
const SAME = new Set(
  (
    "abs add alias and between boolean case ceil coalesce column concat contains count data_type dense_rank eq " +
    "except exists starts_with expressions first_value floor gt gte if_func in intersect is_null lag last_value " +
    "lead length like i_like literal ln logical_and logical_or lower lt lte max min mod mod_func mul n_tile neg " +
    "neq not null null_safe_eq null_safe_neq or paren percent_rank cume_dist rank row_number sqrt stddev " +
    "stddev_samp stddev_pop variance var_samp var_pop sub subquery substring sum this trim tuple union upper " +
    "values window_function identifier round year month day hour minute quarter"
  ).split(" "),
);
/** Functions without a node of their own, that mean the same. */
const SAME_FUNCTIONS = new Set(
  (
    "nullif greatest least replace left right lpad rpad ltrim rtrim reverse repeat md5 power pow sign log10 " +
    "date_trunc round exp ifnull year month day hour minute quarter make_date split_part starts_with contains sum " +
    "count min max abs"
  ).split(" "),
);
/** Of a date or an instant. Days of the week are counted from 1 by Spark, weeks have no word, seconds a fraction. */
const FIELDS = new Set(["year", "month", "day", "hour", "minute", "quarter"]);
const TRUNCATIONS = new Set([
  "year",
  "quarter",
  "month",
  "week",
  "day",
  "hour",
  "minute",
  "second",
]);
const JOINS = new Set(
  "Inner Left Right Full Cross Semi Anti LeftSemi LeftAnti Implicit".split(" "),
);
/** Parts of a SELECT that are looked at; any other that is set is refused. */
const SELECT_PARTS = new Set(
  (
    "expressions from joins where_clause group_by having qualify order_by limit offset distinct distinct_on with " +
    "windows leading_comments trailing_comments locks lateral_views post_select_comments"
  ).split(" "),
);
/** What whole numbers come from, so that a cast to one rounds nothing. Else DuckDB rounds, and Spark cuts off. */
const WHOLE = new Set(
  "count row_number rank dense_rank n_tile length floor ceil round year month day hour minute quarter boolean".split(
    " ",
  ),
);
const WHOLE_TYPES = new Set(
  "big_int int small_int tiny_int hugeint integer u_big_int u_int".split(" "),
);
/** `strftime` forms that `date_format` has. */
const FORMATS = /^(?:%[YmdHMS]|[^%A-Za-z'])*$/;
/** The condition of QUALIFY, as a column. */
const KEPT = "tarn_is_kept";

/** Throws `unsupported` where the library does not read the statement. */
export function translate(library: Library, request: TranslateRequest): Translated {
  const walk = new Walk(request);
  const tree = library.parse(request.sql);
  walk.piece(tree, new Set());
  walk.names(tree);
  if (walk.obstacles.length > 0) return { kind: "refused", obstacles: walk.obstacles };
  const isQualified = qualifyAsColumn(tree);
  const text = library.print(tree);
  const inner = isQualified
    ? `SELECT * EXCLUDE (${KEPT}) FROM (${text}) AS tarn_rows WHERE ${KEPT}`
    : text;
  return { kind: "spark", sql: library.translate(inner) };
}

class Walk {
  readonly obstacles: Obstacle[] = [];
  readonly #request: TranslateRequest;
  #line = 1;
  #column = 1;
  #depth = 0;

  constructor(request: TranslateRequest) {
    this.#request = request;
  }

  /** `ctes`: names in lower case that stand for queries here. */
  piece(piece: Piece, ctes: ReadonlySet<string>): void {
    if (Array.isArray(piece)) {
      for (const item of piece) this.piece(item, ctes);
      return;
    }
    if (!isTree(piece)) return;
    this.#seePlace(piece);
    if (isOrder(piece) && piece.nulls_first === null) piece.nulls_first = false;
    const [key] = Object.keys(piece);
    const isNode = key !== undefined && Object.keys(piece).length === 1 && /^[a-z_0-9]+$/.test(key);
    if (isNode) this.node(key, piece, ctes);
    else this.parts(piece, ctes);
  }

  /** The table's columns are found by their names, and engines name what has none in their own way. */
  names(tree: Piece): void {
    let select = tree;
    while (isTree(select) && !isTree(select.select)) {
      const [operation] = Object.values(select);
      if (!isTree(operation) || operation.left === undefined) break;
      select = operation.left;
    }
    const query = isTree(select) ? select.select : null;
    const columns = isTree(query) && Array.isArray(query.expressions) ? query.expressions : [];
    for (const column of columns) {
      if (!isTree(column)) continue;
      this.#seePlace(column);
      const [kind = ""] = Object.keys(column);
      if (!["alias", "column", "star"].includes(kind))
        this.#refuse("a column without a name: write AS");
    }
  }

  parts(tree: Tree, ctes: ReadonlySet<string>): void {
    for (const value of Object.values(tree)) this.piece(value, ctes);
  }

  node(kind: string, holder: Tree, ctes: ReadonlySet<string>): void {
    const value = holder[kind] ?? null;
    const tree = isTree(value) ? value : {};
    switch (kind) {
      case "select":
        this.select(tree, ctes);
        return;
      case "table":
        this.table(tree, ctes);
        return;
      case "div":
        // Of whole numbers and decimals too DuckDB's is a double.
        tree.left = asDouble(tree.left ?? null);
        this.parts(tree, ctes);
        return;
      case "avg":
        if (isTree(tree.this)) tree.this = asDouble(tree.this);
        this.parts(tree, ctes);
        return;
      case "cast":
      case "try_cast":
        this.cast(tree);
        this.parts(tree, ctes);
        return;
      case "extract":
        if (!FIELDS.has(textOf(tree.field).toLowerCase())) {
          this.#refuse(`extract(${textOf(tree.field).toLowerCase()})`);
        }
        this.parts(tree, ctes);
        return;
      case "star":
        if (tree.replace !== null || tree.rename !== null) this.#refuse("* REPLACE and RENAME");
        return;
      case "string_agg":
        if (!Array.isArray(tree.order_by) || tree.order_by.length === 0) {
          this.#refuse("string_agg without ORDER BY: its order is chance");
        }
        this.parts(tree, ctes);
        return;
      case "interval":
        return;
      case "function":
        this.call(tree, ctes);
        return;
      case "aggregate_function":
        this.#refuse(`${textOf(tree.name).toLowerCase()}()`);
        return;
      case "union":
      case "intersect":
      case "except":
        if (tree.by_name === true) this.#refuse("BY NAME");
        this.setOperation(tree, ctes);
        return;
      case "like":
      case "i_like":
        if (literalOf(tree.right ?? null)?.includes("\\") === true) {
          this.#refuse("LIKE with a backslash, which Spark takes for an escape");
        }
        this.parts(tree, ctes);
        return;
      default:
        if (!SAME.has(kind)) {
          this.#refuse(kind.replaceAll("_", " "));
          return;
        }
        this.piece(value, ctes);
    }
  }

  select(tree: Tree, outer: ReadonlySet<string>): void {
    this.#depth += 1;
    for (const [part, value] of Object.entries(tree)) {
      const isSet =
        value !== null && value !== false && !(Array.isArray(value) && value.length === 0);
      if (isSet && !SELECT_PARTS.has(part)) this.#refuse(part.replaceAll("_", " "));
    }
    const ctes = this.with(tree, outer);
    if (tree.qualify !== null && tree.qualify !== undefined) {
      if (this.#depth > 1) this.#refuse("QUALIFY below the outermost SELECT");
      if (tree.limit !== null || tree.offset !== null || tree.distinct === true) {
        this.#refuse("QUALIFY beside LIMIT and DISTINCT");
      }
    }
    for (const join of Array.isArray(tree.joins) ? tree.joins : []) {
      if (isTree(join) && !JOINS.has(textOf(join.kind))) {
        this.#refuse(
          `${textOf(join.kind)
            .replace(/(?!^)([A-Z])/g, " $1")
            .toUpperCase()} JOIN`,
        );
      }
    }
    if (isTree(tree.group_by)) this.groups(tree.group_by);
    for (const [part, value] of Object.entries(tree)) if (part !== "with") this.piece(value, ctes);
    this.#depth -= 1;
  }

  groups(groups: Tree): void {
    for (const [part, value] of Object.entries(groups)) {
      const isPlain = ["expressions", "all", "totals", "comments"].includes(part);
      const isSet =
        value !== null && value !== false && !(Array.isArray(value) && value.length === 0);
      if (!isPlain && isSet) this.#refuse(`GROUP BY ${part.replaceAll("_", " ").toUpperCase()}`);
    }
  }

  setOperation(tree: Tree, outer: ReadonlySet<string>): void {
    this.#depth += 1;
    const ctes = this.with(tree, outer);
    for (const [part, value] of Object.entries(tree)) if (part !== "with") this.piece(value, ctes);
    this.#depth -= 1;
  }

  with(tree: Tree, outer: ReadonlySet<string>): ReadonlySet<string> {
    if (!isTree(tree.with)) return outer;
    if (tree.with.recursive === true) this.#refuse("WITH RECURSIVE");
    const ctes = new Set(outer);
    for (const cte of Array.isArray(tree.with.ctes) ? tree.with.ctes : []) {
      if (!isTree(cte)) continue;
      this.#depth += 1;
      this.piece(cte.this ?? null, new Set(ctes));
      this.#depth -= 1;
      // MATERIALIZED is about how, not about what; Spark has no word for it.
      cte.materialized = null;
      if (isTree(cte.alias)) ctes.add(textOf(cte.alias.name).toLowerCase());
    }
    return ctes;
  }

  table(tree: Tree, ctes: ReadonlySet<string>): void {
    const names = ["catalog", "schema", "name"].map((part) => tree[part]).filter(isTree);
    const parts = names.map(({ name }) => textOf(name));
    if (tree.when !== null && tree.when !== undefined) this.#refuse("a table as of a moment");
    const [only = ""] = parts;
    if (parts.length === 1 && ctes.has(only.toLowerCase())) return;
    const found = this.#request.table(parts);
    if ("not" in found) {
      this.#refuse(found.not);
      return;
    }
    const [last = "", schema, catalog] = [...found.parts].reverse();
    // Columns are qualified by what the query calls the table.
    if (tree.alias === null) tree.alias = identifier(parts.at(-1) ?? last);
    tree.name = identifier(last);
    tree.schema = schema === undefined ? null : identifier(schema);
    tree.catalog = catalog === undefined ? null : identifier(catalog);
  }

  cast(tree: Tree): void {
    const to = isTree(tree.to) ? textOf(tree.to.data_type) : "";
    if (to === "timestamp" && isTree(tree.to) && tree.to.timezone === true) {
      this.#refuse("a cast to TIMESTAMPTZ");
    }
    if (
      [
        "struct",
        "list",
        "array",
        "map",
        "custom",
        "union",
        "interval",
        "time",
        "json",
        "uuid",
      ].includes(to)
    ) {
      this.#refuse(`a cast to ${to.toUpperCase()}`);
    }
    if (WHOLE_TYPES.has(to) && !isWhole(tree.this ?? null)) {
      this.#refuse(
        "a cast to a whole number, which rounds in DuckDB and cuts off in Spark: write round(…)",
      );
    }
  }

  call(tree: Tree, ctes: ReadonlySet<string>): void {
    const name = textOf(tree.name).toLowerCase();
    const args = Array.isArray(tree.args) ? tree.args : [];
    if (name === "date_diff" || name === "datediff") this.dateDiff(tree, args);
    else if (name === "date_part" || name === "datepart") {
      const field = literalOf(args[0] ?? null)?.toLowerCase() ?? "";
      if (!FIELDS.has(field)) this.#refuse(`date_part('${field}', …)`);
    } else if (name === "strftime") {
      const format = literalOf(args[1] ?? null);
      if (format === null || !FORMATS.test(format))
        this.#refuse(`strftime with '${format ?? "…"}'`);
    } else if (name === "date_trunc") {
      const field = literalOf(args[0] ?? null)?.toLowerCase() ?? "";
      if (!TRUNCATIONS.has(field)) this.#refuse(`date_trunc('${field}', …)`);
    } else if (!SAME_FUNCTIONS.has(name)) {
      this.#refuse(`${name}()`);
      return;
    }
    this.piece(args, ctes);
  }

  /** DuckDB counts the days between two dates; hours, and days of two instants, are whole ones to Spark. */
  dateDiff(tree: Tree, args: readonly Piece[]): void {
    const part = literalOf(args[0] ?? null)?.toLowerCase() ?? "";
    if (part !== "day" || args.length !== 3) {
      this.#refuse(`date_diff('${part}', …), which counts otherwise in Spark`);
      return;
    }
    tree.args = [args[0] ?? null, asDate(args[1] ?? null), asDate(args[2] ?? null)];
  }

  #refuse(what: string): void {
    if (this.obstacles.some((known) => known.what === what && known.line === this.#line)) return;
    this.obstacles.push({ what, line: this.#line, column: this.#column });
  }

  /** Literals have no place of their own: theirs is that of what stood before. */
  #seePlace(tree: Tree): void {
    const span = firstSpan(tree, 6);
    if (span === null) return;
    this.#line = span.line;
    this.#column = span.column;
  }
}

/** Puts the condition of the outermost QUALIFY among the columns. False where there is none. */
function qualifyAsColumn(tree: Piece): boolean {
  const select = isTree(tree) && isTree(tree.select) ? tree.select : null;
  if (select === null || !isTree(select.qualify)) return false;
  const columns = Array.isArray(select.expressions) ? select.expressions : [];
  const alias = { this: select.qualify.this ?? null, alias: identifier(KEPT), column_aliases: [] };
  const filled = { alias_explicit_as: true, pre_alias_comments: [], trailing_comments: [] };
  select.expressions = [...columns, { alias: { ...alias, ...filled } }];
  select.qualify = null;
  return true;
}

function asDouble(piece: Piece): Piece {
  return castTo(piece, { data_type: "double", precision: null, scale: null });
}

function asDate(piece: Piece): Piece {
  return castTo(piece, { data_type: "date" });
}

function castTo(piece: Piece, to: Tree): Piece {
  const cast: Tree = { this: piece, to, trailing_comments: [], double_colon_syntax: false };
  return { cast: { ...cast, format: null, default: null } };
}

function identifier(name: string): Tree {
  return { name, quoted: true, trailing_comments: [] };
}

function isWhole(piece: Piece): boolean {
  if (!isTree(piece)) return false;
  const [kind = ""] = Object.keys(piece);
  const value = piece[kind] ?? null;
  if (kind === "paren" || kind === "window_function") {
    return isTree(value) && isWhole(value.this ?? null);
  }
  if (kind === "function" && isTree(value)) {
    return ["date_diff", "datediff", "date_part", "round"].includes(
      textOf(value.name).toLowerCase(),
    );
  }
  return WHOLE.has(kind);
}

function literalOf(piece: Piece): string | null {
  if (!isTree(piece) || !isTree(piece.literal)) return null;
  return piece.literal.literal_type === "string" ? textOf(piece.literal.value) : null;
}

function isOrder(tree: Tree): boolean {
  return "nulls_first" in tree && "desc" in tree;
}

function firstSpan(tree: Tree, depth: number): { line: number; column: number } | null {
  const { span } = tree;
  if (isTree(span)) {
    const { line, column, start, end } = span;
    if (typeof line !== "number" || typeof column !== "number") return null;
    // The library gives where a word ends.
    const length = typeof start === "number" && typeof end === "number" ? end - start : 0;
    return { line, column: Math.max(1, column - length) };
  }
  if (depth === 0) return null;
  for (const value of Object.values(tree).flat()) {
    const found = isTree(value) ? firstSpan(value, depth - 1) : null;
    if (found !== null) return found;
  }
  return null;
}

function isTree(value: Piece | undefined): value is Tree {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function textOf(value: Piece | undefined): string {
  return typeof value === "string" ? value : "";
}
