/** Unit tests of models: rows that are given, and rows that are expected, in `tests/unit/*.yaml`. */

import type { LakeError, Place } from "../base/errors.ts";
import { issueError, type ParseYaml, placeAt } from "../config/place.ts";
import {
  below,
  type Cursor,
  type Issue,
  isRecord,
  list,
  mapOf,
  needed,
  nullable,
  object,
  optional,
  type Path,
  report,
  type Shape,
  shown,
  text,
} from "../config/shape.ts";

export type UnitRow = Readonly<Record<string, unknown>>;

/** Rows of one input. */
export interface GivenRows {
  /** As written: a table, or `this`. */
  readonly input: string;
  readonly rows: readonly UnitRow[];
  /** Types of columns, where the lake does not know them, as people write them. */
  readonly columns: ReadonlyMap<string, string>;
  readonly place: Place;
}

export interface UnitTest {
  readonly name: string;
  readonly file: string;
  /** As written. */
  readonly model: string;
  readonly description: string | null;
  readonly tags: readonly string[];
  readonly given: readonly GivenRows[];
  readonly expected: readonly UnitRow[];
  readonly vars: ReadonlyMap<string, unknown>;
  /** What `now()` is, as written; null: the run time. */
  readonly now: string | null;
  readonly place: Place;
  readonly modelPlace: Place;
  readonly expectPlace: Place;
}

const NO_TEXTS: readonly string[] = [];
const NO_ROWS: readonly UnitRow[] = [];
const NO_TEXT: string | null = null;
const NO_VALUES: ReadonlyMap<string, unknown> = new Map();
const NO_TYPES: ReadonlyMap<string, string> = new Map();

const ANYTHING: Shape<unknown> = { schema: {}, read: (value) => value, spell: () => null };
const ROW: Shape<UnitRow> = {
  schema: { type: "object" },
  read: (value, cursor) =>
    isRecord(value) ? value : report(cursor, `expected a row, got ${shown(value)}`, "{ id: 1 }"),
  spell: () => null,
};
const ROWS: Shape<readonly UnitRow[]> = {
  schema: list(ROW).schema,
  read: (value, cursor) =>
    Array.isArray(value)
      ? list(ROW).read(value, cursor)
      : report(cursor, "expected a list of rows"),
  spell: () => null,
};

const INPUT = object({
  rows: optional(ROWS, NO_ROWS, "Its rows; columns that a row does not have are NULL."),
  columns: optional(mapOf(text({})), NO_TYPES, "Types of columns that the lake does not know."),
});
const NAMED_INPUT = object({
  input: needed(text({}), "The table, or this for the model's own."),
  rows: optional(ROWS, NO_ROWS, "Its rows."),
  columns: optional(mapOf(text({})), NO_TYPES, "Types of columns that the lake does not know."),
});

type Given = readonly Omit<GivenRows, "place">[];

/** By the names of inputs, or as dbt has it a list of them. */
const GIVEN: Shape<Given> = {
  schema: {},
  read: (value, cursor) => {
    if (Array.isArray(value)) {
      return list(NAMED_INPUT)
        .read(value, cursor)
        ?.map((one) => ({ ...one, input: nameOf(one.input) }));
    }
    if (!isRecord(value)) return report(cursor, "expected tables with their rows");
    return Object.entries(value).flatMap(([input, rows]) => {
      const read = INPUT.read(Array.isArray(rows) ? { rows } : rows, below(cursor, input));
      return read === undefined ? [] : [{ input: nameOf(input), ...read }];
    });
  },
  spell: () => null,
};

/** A list of rows, or as dbt has it keys with `rows`. */
const EXPECT: Shape<readonly UnitRow[]> = {
  schema: {},
  read: (value, cursor) => {
    if (!isRecord(value)) return ROWS.read(value, cursor);
    return object({ rows: needed(ROWS, "The rows of the result.") }).read(value, cursor)?.rows;
  },
  spell: () => null,
};

const UNIT = object(
  {
    name: needed(text({}), "What it is called in results."),
    model: needed(text({}), "The model that is tested."),
    description: optional(nullable(text({})), NO_TEXT, "What it shows."),
    tags: optional(list(text({})), NO_TEXTS, "Words to select it by."),
    given: needed(GIVEN, "Rows of each table that the model reads."),
    expect: needed(EXPECT, "Rows of the result, in any order; columns that are named."),
    vars: optional(mapOf(ANYTHING), NO_VALUES, "Other values of variables."),
    now: optional(nullable(text({})), NO_TEXT, "What now() is."),
  },
  {
    input: 'did you mean "given"?',
    rows: 'did you mean "expect"?',
    overrides: 'did you mean "vars"?',
  },
);

/** The tests of a file: a list, or the list under `unit_tests:`. Never throws for what it says. */
export function parseUnitTests(
  file: string,
  source: string,
  parseYaml: ParseYaml,
): { readonly tests: readonly UnitTest[]; readonly errors: readonly LakeError[] } {
  const all = source.replace(/^\uFEFF/, "");
  const parsed = parseYaml(all);
  const at = { text: all, file, parsed, offset: 0 };
  const issues: Issue[] = parsed.problems.slice(0, 1).map(({ message }) => {
    return {
      path: [],
      at: "value",
      severity: "error",
      message: `not YAML: ${message}`,
      hint: null,
    };
  });
  const root: Cursor = { path: [], issues };
  const inList = isRecord(parsed.data) ? below(root, "unit_tests") : root;
  const items = isRecord(parsed.data) ? parsed.data.unit_tests : parsed.data;
  if (issues.length === 0 && !Array.isArray(items)) {
    report(root, "expected a list of unit tests", "each with name, model, given and expect");
  }
  const given: readonly unknown[] = Array.isArray(items) ? items : [];
  const placeOf = (path: Path, what: "key" | "value"): Place =>
    placeAt(all, file, parsed.spanOf(path, what));
  const tests = given.flatMap((item, index): UnitTest[] => {
    const cursor = below(inList, index);
    const read = UNIT.read(item, cursor);
    if (read === undefined) return [];
    const inputs = inputPaths(item, cursor.path);
    const { expect: expected, ...rest } = read;
    const test = {
      ...rest,
      expected,
      file,
      given: read.given.map((one, nth) => {
        return { ...one, place: placeOf(inputs[nth] ?? cursor.path, "key") };
      }),
      place: placeOf([...cursor.path, "name"], "value"),
      modelPlace: placeOf([...cursor.path, "model"], "value"),
      expectPlace: placeOf([...cursor.path, "expect"], "key"),
    };
    return [test];
  });
  return { tests, errors: issues.map((issue) => issueError(issue, at)) };
}

/** Where each of its inputs is named. */
function inputPaths(item: unknown, path: Path): readonly Path[] {
  const given = isRecord(item) ? item.given : null;
  if (Array.isArray(given)) return given.map((_, nth) => [...path, "given", nth, "input"]);
  return Object.keys(isRecord(given) ? given : {}).map((key) => [...path, "given", key]);
}

/** `ref('orders')` and `source('shop', 'orders')` of dbt are names of tables. */
function nameOf(input: string): string {
  const called = /^\s*(?:ref|source)\(\s*(.*?)\s*\)\s*$/.exec(input)?.[1];
  if (called === undefined) return input.trim();
  const words = called.split(",").map((word) => word.trim().replace(/^['"]|['"]$/g, ""));
  return words.at(-1) ?? input;
}
