/** Fields of quarantined rows set by SQL over the fields of each: `amount = replace(amount, ',', '.')`. */

import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { must } from "../../core/base/assert.ts";
import { LakeError } from "../../core/base/errors.ts";
import { nearestWord } from "../../core/base/suggest.ts";
import type { AskedFile, RowTexts, RowTextsRequest } from "../../core/engine.ts";
import type { DuckDB } from "../duckdb/duckdb.ts";
import { parseExpression } from "../syntax/ast.ts";
import { closingIndex, isSymbol, nameOf, type Token, tokensOf } from "../syntax/lexer.ts";
import { quoteFilePath, quoteIdentifier, quoteLiteral } from "../syntax/quote.ts";
import type { WorkerContext } from "../worker/context.ts";
import { correct, type NewValue, type RowForm, Unset, valuesOf } from "./correction.ts";
import type { FileTexts } from "./format.ts";

/** One `column = expression`. */
export interface Assignment {
  readonly column: string;
  readonly expression: string;
  /** A number is taken as it is written: 19.00 keeps its zeros. */
  readonly isNumber: boolean;
}

interface FoundFile {
  readonly file: AskedFile;
  readonly texts: FileTexts;
}

interface FoundRow {
  readonly file: string;
  readonly position: string;
  readonly text: string;
  readonly form: RowForm;
}

/** The whole text of a row, where no field has this name. */
const RAW = "raw";
const HINT = "write: --set \"amount = replace(amount, ',', '.')\"; text stands in single quotes";

/** Throws `usage` for what is no assignment, or names a column that no row has. */
export async function setFields(
  context: WorkerContext,
  request: RowTextsRequest,
  set: string,
  found: readonly FoundFile[],
): Promise<RowTexts["files"]> {
  const assignments = parseAssignments(set);
  const rows = found.flatMap(rowsOf);
  refuseUnknown(assignments, rows);
  const { staging, limits, read, numbers } = request;
  const db = await context.open({
    allowedPaths: [],
    allowedFolders: [staging],
    threads: limits.threads,
  });
  for (const { expression } of assignments) await checkExpression(db, expression);
  const path = join(staging, "rows-to-set.ndjson");
  const all = namesOf(rows, read.nulls);
  const names = namesIn(assignments, all);
  const lines = rows.map(({ text, form }, at) => {
    const values = valuesByLower(valuesOf(text, form, read.nulls));
    return JSON.stringify([
      at,
      text,
      ...names.map((name) => values.get(name.toLowerCase()) ?? null),
    ]);
  });
  writeFileSync(path, `${lines.join("\n")}\n`, { flag: "wx", mode: 0o600 });
  const valuesByRow = await evaluate(db, assignments, { names, all }, path);
  const byFile = Map.groupBy(rows.entries(), ([, row]) => row.file);
  return found.map(({ file }) => {
    const texts: Record<string, string> = {};
    const unset: Record<string, string> = {};
    for (const [at, row] of byFile.get(file.name) ?? []) {
      const values = valuesByRow.get(at);
      try {
        if (values === undefined) throw new Unset("the expression of --set fails on it");
        texts[row.position] = correct(row.text, row.form, values.map(asNumber(numbers)));
      } catch (thrown) {
        if (!(thrown instanceof Unset)) throw thrown;
        unset[row.position] = thrown.message;
      }
    }
    return { name: file.name, texts, unset };
  });
}

/** A text that is a number is one where numbers are wanted: JSON tells them apart, SQL's `replace` does not. */
function asNumber(numbers: readonly string[]): (value: NewValue) => NewValue {
  return (value) => {
    const { column, text, json } = value;
    const isWanted =
      json.startsWith('"') && text !== null && numbers.includes(column.toLowerCase());
    return isWanted && JSON_NUMBER.test(text) ? { ...value, json: text } : value;
  };
}

/** RFC 8259. */
const JSON_NUMBER = /^-?(0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?$/;

/** As in UPDATE … SET: `a = 1, b = upper(b)`. Throws `usage`. */
export function parseAssignments(set: string): Assignment[] {
  const assignments = splitAt(tokensOf(set), ",").map((tokens): Assignment => {
    const [name, equals, first, ...others] = tokens;
    const isName = name?.kind === "word" || name?.kind === "quoted";
    if (name === undefined || !isName || !isSymbol(equals, "=") || first === undefined) {
      throw new LakeError("usage", `--set ${set} is not column = expression`, { hint: HINT });
    }
    const expression = set.slice(first.start, (others.at(-1) ?? first).end);
    refuseArithmetic(expression, [first, ...others]);
    const isNumber = others.length === 0 && first.kind === "number";
    return { column: nameOf(name), expression, isNumber };
  });
  return assignments;
}

/** `2026-11-20` is 1995 in SQL, and nobody means that. */
function refuseArithmetic(expression: string, tokens: readonly Token[]): void {
  const numbers = tokens.filter(({ kind }) => kind === "number").length;
  const isOnly = tokens.every(({ kind }) => kind === "number" || kind === "symbol");
  if (!isOnly || numbers < 2) return;
  throw new LakeError("usage", `${expression} is a calculation in SQL`, {
    hint: `a text or a date stands in single quotes: '${expression}'`,
  });
}

/** Parts of a list, at the marks that stand in no bracket. */
function splitAt(tokens: readonly Token[], mark: string): Token[][] {
  const parts: Token[][] = [[]];
  for (let at = 0; at < tokens.length; at++) {
    const token = must(tokens[at], "an index below the length");
    if (isSymbol(token, mark)) {
      parts.push([]);
      continue;
    }
    const isOpen = token.kind === "symbol" && "([{".includes(token.text);
    const end = isOpen ? closingIndex(tokens, at) : at;
    parts.at(-1)?.push(...tokens.slice(at, end + 1));
    at = end;
  }
  return parts;
}

function rowsOf({ file, texts: { texts, form } }: FoundFile): FoundRow[] {
  return file.rows.flatMap(({ position, kept }): FoundRow[] => {
    const text = texts[position];
    if (text !== undefined) return [{ file: file.name, position, text, form }];
    return kept === null ? [] : [{ file: file.name, position, text: kept, form }];
  });
}

/** A JSON object takes a new member; a record of a CSV no new field. */
function refuseUnknown(assignments: readonly Assignment[], rows: readonly FoundRow[]): void {
  const forms = [...new Set(rows.map(({ form }) => form))];
  if (forms.length === 0 || forms.some(({ kind }) => kind === "json")) return;
  const names = [...new Set(forms.flatMap((form) => (form.kind === "csv" ? form.names : [])))];
  const lower = new Set(names.map((name) => name.toLowerCase()));
  const unknown = assignments.find(({ column }) => !lower.has(column.toLowerCase()));
  if (unknown !== undefined) throw unknownColumn(unknown.column, names);
}

function unknownColumn(column: string, names: readonly string[]): LakeError {
  const near = nearestWord(column, names);
  const known = `columns: ${names.join(", ")}; a text stands in single quotes: '${column}'`;
  return new LakeError("usage", `the rows have no column "${column}"`, {
    hint: near === null ? known : `did you mean "${near}"? A text stands in single quotes`,
  });
}

async function checkExpression(db: DuckDB, expression: string): Promise<void> {
  try {
    await parseExpression(db, expression);
  } catch (thrown) {
    if (!(thrown instanceof LakeError)) throw thrown;
    const message = `--set: ${expression} is not SQL: ${thrown.message}`;
    throw new LakeError("usage", message, { hint: HINT, cause: thrown });
  }
}

/** Names of the fields of all rows, each once whatever its case. */
function namesOf(rows: readonly FoundRow[], nulls: readonly string[]): readonly string[] {
  const names = new Map<string, string>();
  const take = (all: Iterable<string>): void => {
    for (const name of all) if (!names.has(name.toLowerCase())) names.set(name.toLowerCase(), name);
  };
  const forms = new Set(rows.map(({ form }) => form));
  for (const form of forms) if (form.kind === "csv") take(form.names);
  for (const { text, form } of rows) {
    if (form.kind === "json") take(valuesOf(text, form, nulls).keys());
  }
  return [...names.values()];
}

/** Those that an expression may mean. */
function namesIn(assignments: readonly Assignment[], names: readonly string[]): string[] {
  const tokens = assignments.flatMap(({ expression }) => tokensOf(expression));
  const words = new Set(
    tokens.flatMap((token) =>
      token.kind === "word" || token.kind === "quoted" ? [nameOf(token).toLowerCase()] : [],
    ),
  );
  return names.filter((name) => words.has(name.toLowerCase()));
}

function valuesByLower(values: ReadonlyMap<string, string | null>) {
  const found = new Map<string, string | null>();
  for (const [name, value] of values) {
    if (!found.has(name.toLowerCase())) found.set(name.toLowerCase(), value);
  }
  return found;
}

/** New values by the number of the row; a row that an expression fails on has none. */
async function evaluate(
  db: DuckDB,
  assignments: readonly Assignment[],
  { names, all }: { readonly names: readonly string[]; readonly all: readonly string[] },
  path: string,
): Promise<ReadonlyMap<number, readonly NewValue[]>> {
  const at = (index: number): string => `json_extract_string(json, '$[${index}]')`;
  const hasRaw = names.some((name) => name.toLowerCase() === RAW);
  const fields = names.map((name, index) => `${at(index + 2)} AS ${quoteIdentifier(name)}`);
  if (!hasRaw) fields.push(`${at(1)} AS ${quoteIdentifier(RAW)}`);
  const rows = `SELECT ${fields.join(", ")}, ${at(0)}::BIGINT AS lake_row
    FROM read_ndjson_objects(${quoteFilePath(path)}, maximum_object_size = 67108864)`;
  const select = (wrap: (sql: string) => string): string => {
    const list = assignments.flatMap(({ expression, isNumber }, index) => {
      const sql = isNumber ? quoteLiteral(expression) : `(${expression}\n)`;
      const json = isNumber ? sql : wrap(`to_json(${sql})::VARCHAR`);
      return [`${wrap(`${sql}::VARCHAR`)} AS text_${index}`, `${json} AS json_${index}`];
    });
    return `SELECT lake_row, ${list.join(", ")} FROM (${rows}) AS fields`;
  };
  const read = async (sql: string, isTried: boolean) => {
    const found = new Map<number, readonly NewValue[]>();
    for (const row of await db.rows(sql)) {
      const values = assignments.map(({ column }, index): NewValue => {
        const text = row[`text_${index}`];
        const json = row[`json_${index}`];
        return {
          column,
          text: typeof text === "string" ? text : null,
          json: typeof json === "string" ? json : "null",
        };
      });
      // Where some rows fail, what has no value is taken for one of them.
      const isKnown = !isTried || values.every(({ text }) => text !== null);
      if (isKnown) found.set(Number(row.lake_row), values);
    }
    return found;
  };
  try {
    return await read(
      select((sql) => sql),
      false,
    );
  } catch (thrown) {
    if (!(thrown instanceof LakeError)) throw thrown;
    const { engine } = thrown.context;
    if (engine === "binder" || engine === "catalog" || engine === "parser") {
      throw notBound(thrown, all);
    }
    return await read(
      select((sql) => `TRY(${sql})`),
      true,
    );
  }
}

function notBound(thrown: LakeError, names: readonly string[]): LakeError {
  const column = /Referenced column "([^"]*)" not found/.exec(thrown.message)?.[1];
  if (column !== undefined) return unknownColumn(column, names);
  return new LakeError("usage", `--set: ${thrown.message}`, { hint: HINT, cause: thrown });
}
