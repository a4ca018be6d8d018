/** The `tests:` of a model: each item becomes row expectations or a test of the whole result. */

import {
  below,
  type Cursor,
  isRecord,
  list,
  mapOf,
  needed,
  nullable,
  object,
  oneOf,
  optional,
  report,
  type Shape,
  shown,
  text,
} from "../config/shape.ts";
import type { Expectation, SetTest, TestUse, ViolationAction } from "./model.ts";
import { type Threshold, type Thresholds, thresholdFrom } from "./threshold.ts";

/** How names and values are written in SQL; cmd brings sql/syntax/quote.ts. */
export interface SqlQuote {
  readonly identifier: (name: string) => string;
  readonly literal: (value: string | number | bigint | boolean) => string;
}

export interface Checks {
  readonly expectations: readonly Expectation[];
  readonly tests: readonly SetTest[];
  readonly uses: readonly TestUse[];
}

/** A condition with its variables bound, or what is wrong with one of them. */
export type BindCondition = (
  sql: string,
) =>
  | { readonly sql: string }
  | { readonly problem: { readonly message: string; readonly hint: string } };

export interface CheckContext {
  readonly quote: SqlQuote;
  readonly bind: BindCondition;
  /** The layer's default, only when tarn.yaml writes one. */
  readonly onFail: ViolationAction | null;
}

type Scalar = string | number | bigint | boolean;

const ACTION = oneOf(["warn", "drop", "fail", "quarantine"], {
  error: "fail",
  block: "fail",
  abort: "fail",
  reject: "quarantine",
  ignore: "warn",
});
const COLUMN = text({ check: checkColumn });
const COLUMNS = list(COLUMN);
const NO_TEXT: string | null = null;

/** A count of rows, as text. */
export const THRESHOLD: Shape<Threshold> = {
  schema: { type: "string", examples: ["> 10"] },
  read: (value, cursor) => {
    const found = typeof value === "string" ? thresholdFrom(value) : null;
    const hint = "write a sign and a count of rows in quotes: '> 10', '!= 0'";
    return found ?? report(cursor, `${shown(value)} is no threshold`, hint);
  },
  spell: () => null,
};

export const SEVERITY = oneOf(["warn", "error"], { warning: "warn", fail: "error" });

/** How grave it is what a test finds. */
export const SEVERITY_KEYS = {
  severity: optional(
    nullable(SEVERITY),
    null,
    "error: rows that it finds fail; warn: they are told of. Default: as on_fail says.",
  ),
  warn_if: optional(nullable(THRESHOLD), null, "So many rows are told of. Default: any."),
  error_if: optional(
    nullable(THRESHOLD),
    null,
    "So many rows fail, whatever on_fail does with each. Default: any, where the test fails at all.",
  ),
};

const OPTIONS = {
  name: optional(nullable(text({})), NO_TEXT, "Name of the check in results."),
  on_fail: optional(
    nullable(ACTION),
    null,
    "What a violation does: warn, drop the row, fail the run, or quarantine the row. " +
      "Default: as its layer says, else warn.",
  ),
  on_null: optional(
    nullable(oneOf(["pass", "violate"])),
    null,
    "What a NULL result means. Default: it passes, as in SQL's CHECK.",
  ),
  ...SEVERITY_KEYS,
};

const EXPECT = object({
  sql: needed(text({}), "The condition, over columns of the model."),
  ...OPTIONS,
});
const RELATIONSHIPS = object({
  column: needed(COLUMN, "A column of this model."),
  to: needed(text({ examples: ["silver.customers"] }), "The table that it points to."),
  field: optional(text({}), "", "The column there. Default: the same name."),
});

const ANYTHING: Shape<unknown> = { schema: {}, read: (value) => value, spell: () => null };

/** One item of `tests:`; its keys are one check and its options. */
const ITEM = object(
  {
    not_null: optional(nullable(COLUMNS), null, "Columns that hold no NULL."),
    unique: optional(nullable(COLUMNS), null, "Columns that together name a row."),
    accepted: optional(
      nullable(mapOf(values(), checkColumn)),
      null,
      "The values a column may have.",
    ),
    relationships: optional(nullable(RELATIONSHIPS), null, "A column that points to a row."),
    expect: optional(nullable(expectation()), null, "A condition that holds for every row."),
    test: optional(nullable(text({})), NO_TEXT, "A test of the project: tests/generic/NAME.sql."),
    with: optional(
      mapOf(ANYTHING),
      new Map<string, unknown>(),
      "What a test of the project is given, by the names of its params.",
    ),
    ...OPTIONS,
  },
  {
    accepted_values: 'did you mean "accepted"?',
    expression: 'did you mean "expect"?',
    check: 'did you mean "expect"?',
  },
);

type Item = NonNullable<ReturnType<typeof ITEM.read>>;

/** JSON Schema of `tests:` and reader of its plain data. */
export const TESTS: Shape<readonly Item[]> = list(ITEM);

/** What the items come to. Names are unique: a later equal one is numbered. */
export function checksFrom(items: readonly Item[], context: CheckContext, cursor: Cursor): Checks {
  const expectations: Expectation[] = [];
  const tests: SetTest[] = [];
  const uses: TestUse[] = [];
  for (const [index, given] of items.entries()) {
    const inner = below(cursor, index);
    const item = withOwnGravity(given);
    const kinds = KINDS.filter((kind) => item[kind] !== null);
    if (kinds.length !== 1) {
      report(
        inner,
        kinds.length === 0 ? "this test checks nothing" : `${kinds.join(" and ")} in one item`,
      );
      continue;
    }
    checkGravity(item, inner);
    if (item.test !== null) {
      const { test, name, with: values } = item;
      const severity = severityOf(item);
      uses.push({ test, name, values, severity, thresholds: thresholdsOf(item) });
      continue;
    }
    if (item.with.size > 0) report(below(inner, "with"), `"with" goes with "test"`, null, "key");
    expectations.push(...rowChecks(item, context, inner));
    tests.push(...setTests(item, context, inner));
  }
  return { expectations: numbered(expectations), tests, uses };
}

const KINDS = ["not_null", "unique", "accepted", "relationships", "expect", "test"] as const;

/** How grave it is may stand with the condition. */
function withOwnGravity(item: Item): Item {
  const own = item.expect;
  if (own === null) return item;
  return {
    ...item,
    on_fail: item.on_fail ?? own.on_fail,
    severity: item.severity ?? own.severity,
    warn_if: item.warn_if ?? own.warn_if,
    error_if: item.error_if ?? own.error_if,
  };
}

/** Of `on_fail` and `severity` one is said. */
function checkGravity(item: Item, cursor: Cursor): void {
  if (item.severity !== null && item.on_fail !== null) {
    report(below(cursor, "severity"), "severity and on_fail say the same", "keep one", "key");
  }
  const isWarning = item.severity === "warn" || item.on_fail === "warn";
  if (isWarning && item.error_if !== null) {
    report(below(cursor, "error_if"), "what only warns does not fail", "severity: error", "key");
  }
}

/** What is said of how grave it is; a threshold of failing says that it fails. */
function severityOf(item: Pick<Item, "severity" | "on_fail" | "error_if">): "warn" | "fail" | null {
  if (item.severity !== null) return item.severity === "error" ? "fail" : "warn";
  if (item.on_fail !== null) return item.on_fail === "warn" ? "warn" : "fail";
  return item.error_if === null ? null : "fail";
}

function thresholdsOf({ warn_if, error_if }: Pick<Item, "warn_if" | "error_if">): Thresholds {
  return {
    ...(warn_if === null ? {} : { warnIf: warn_if }),
    ...(error_if === null ? {} : { errorIf: error_if }),
  };
}

/** Absent where nothing is said, so that what a model means stays the same text. */
function withThresholds(item: Item): { readonly thresholds?: Thresholds } {
  const thresholds = thresholdsOf(item);
  return Object.keys(thresholds).length === 0 ? {} : { thresholds };
}

function rowChecks(item: Item, context: CheckContext, cursor: Cursor): Expectation[] {
  const { quote } = context;
  const action = item.on_fail ?? severityOf(item) ?? context.onFail ?? "warn";
  const limits = withThresholds(item);
  const onNull = item.on_null ?? item.expect?.on_null ?? "pass";
  const named = item.name ?? item.expect?.name ?? null;
  const checks: Expectation[] = [];
  for (const column of item.not_null ?? []) {
    const sql = `${quote.identifier(column)} is not null`;
    const name = named ?? `not_null(${column})`;
    const of = { setting: "not_null", name: column } as const;
    checks.push({ name, sql, action, onNull: "violate", column: of, ...limits });
  }
  for (const [column, accepted] of item.accepted ?? []) {
    const sql = `${quote.identifier(column)} in (${accepted.map(quote.literal).join(", ")})`;
    const of = { setting: "accepted", name: column } as const;
    checks.push({
      name: named ?? `accepted(${column})`,
      sql,
      action,
      onNull,
      column: of,
      ...limits,
    });
  }
  if (item.expect !== null) {
    const written = item.expect.sql;
    const bound = context.bind(written);
    if ("problem" in bound) {
      report(below(cursor, "expect"), bound.problem.message, bound.problem.hint);
      return checks;
    }
    const name = named ?? written.replace(/\s+/g, " ").trim();
    checks.push({ name, sql: bound.sql, action, onNull, ...limits });
  }
  return checks;
}

function setTests(item: Item, context: CheckContext, cursor: Cursor): SetTest[] {
  if (item.unique === null && item.relationships === null) return [];
  const kind = item.unique === null ? "relationships" : "unique";
  for (const key of ["on_null", "name"] as const) {
    if (item[key] !== null)
      report(below(cursor, key), `"${key}" means nothing for ${kind}`, null, "key");
  }
  if (item.on_fail === "drop" || item.on_fail === "quarantine") {
    const message = `${kind} is about the whole result: it can only warn or fail`;
    report(below(cursor, "on_fail"), message, "write on_fail: fail, and the old snapshot stays");
  }
  const wanted = item.on_fail ?? severityOf(item) ?? context.onFail ?? "warn";
  // A layer that keeps bad rows out cannot single out rows here, so it keeps the result out.
  const severity = wanted === "warn" ? "warn" : "fail";
  const limits = withThresholds(item);
  if (item.unique !== null) {
    return [{ kind: "unique", columns: item.unique, severity, ...limits }];
  }
  if (item.relationships === null) return [];
  const { column, to, field } = item.relationships;
  const of = { column, to, field: field === "" ? column : field };
  return [{ kind: "relationships", ...of, severity, ...limits }];
}

function numbered(expectations: readonly Expectation[]): Expectation[] {
  const countByName = new Map<string, number>();
  return expectations.map((expectation) => {
    const count = (countByName.get(expectation.name) ?? 0) + 1;
    countByName.set(expectation.name, count);
    return count === 1 ? expectation : { ...expectation, name: `${expectation.name} (${count})` };
  });
}

/** What no column can be called; the quoting functions would throw. */
function checkColumn(name: string): string | null {
  return name === "" || name.includes("\0") ? "a column has a name without NUL characters" : null;
}

/** A condition alone, or with its options. */
function expectation(): Shape<NonNullable<ReturnType<typeof EXPECT.read>>> {
  return {
    get schema() {
      return { anyOf: [{ type: "string" }, EXPECT.schema] };
    },
    read: (value, cursor) => EXPECT.read(isRecord(value) ? value : { sql: value }, cursor),
    spell: () => null,
  };
}

function values(): Shape<readonly Scalar[]> {
  return list({
    schema: { type: ["string", "number", "boolean"] },
    read: (value, cursor) => {
      const isNumber = typeof value === "number" && Number.isFinite(value);
      if (typeof value === "string" || typeof value === "boolean") return value;
      if (isNumber || typeof value === "bigint") return value;
      return report(cursor, `expected a value, got ${shown(value)}`);
    },
    spell: () => null,
  });
}
