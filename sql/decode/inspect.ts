/** What a file holds: every column with the narrowest type that holds each of its values exactly. */

import { isUtf8 } from "node:buffer";
import { errorText } from "../../core/base/errors.ts";
import type { DecodeRequest, ObservedColumn } from "../../core/engine.ts";
import type { ReadOptions } from "../../core/ingest/contract.ts";
import { COLUMNS_MAX } from "../../core/limits.ts";
import {
  hasPlaceholder,
  isOnlyFilled,
  NOTHING,
  sameType,
  withoutPlaceholders,
} from "../../core/table/type-text.ts";
import type { Type } from "../../core/table/types.ts";
import type { DuckDB } from "../duckdb/duckdb.ts";
import { csvShape } from "./csv/prepare.ts";
import { scanCsv, splitRecord } from "./csv/scan.ts";
import { readCsv } from "./csv/sql.ts";
import type { Work } from "./group.ts";
import { checkedLongestLine, styleOf } from "./json/json.ts";
import { JsonFault, parseExact } from "./json/parse.ts";
import { scanPlain } from "./json/plain-scan.ts";
import { planPlain } from "./json/plain-sql.ts";
import { hasRepeatedKey } from "./json/rows.ts";
import { type JsonPlan, planJson, suspectsJson } from "./json/sql.ts";
import { LineCursor } from "./line-cursor.ts";
import { JsonFields, TEXT_KINDS, TextColumn, type TextKind, textType } from "./lossless/ladder.ts";
import { textFit } from "./lossless/text-fit.ts";
import { inspectParquet } from "./parquet/parquet.ts";
import { type Prepared, UNKNOWN_LINES } from "./prepared.ts";
import { Unreadable } from "./unreadable.ts";

export interface Looked {
  readonly columns: readonly ObservedColumn[];
  /** Only the first rows were looked at. */
  readonly guessed: boolean;
}

/** Smaller files are learned from whole in TypeScript. */
const SMALL_BYTES = 1024 * 1024;
const SAMPLE_ROWS = 2_000;
/** Columns of one learning statement: each is a handful of expressions. */
const COLUMNS_AT_ONCE = 250;

/**
 * Reads the file to its end; only the first rows of a large text file when `sampled`. Rows that will be quarantined
 * teach nothing.
 */
export async function inspectFile(
  db: DuckDB,
  prepared: Prepared,
  read: ReadOptions,
  sampled: boolean,
): Promise<Looked> {
  const { format } = prepared.dialect;
  const isText = format === "csv" || format === "json";
  if (isText && sampled && prepared.sizeBytes > SMALL_BYTES) {
    return { columns: firstRows(prepared, read), guessed: true };
  }
  return { columns: await wholeFile(db, prepared, read), guessed: false };
}

async function wholeFile(
  db: DuckDB,
  prepared: Prepared,
  read: ReadOptions,
): Promise<readonly ObservedColumn[]> {
  switch (prepared.dialect.format) {
    case "csv":
      return inspectCsv(db, prepared, read);
    case "json":
      return inspectJson(db, prepared, read);
    case "parquet":
      return inspectParquet(prepared);
    case "avro":
      return (await import("./avro/avro.ts")).inspectAvro(prepared);
    case "xlsx":
      return (await import("./xlsx/xlsx.ts")).inspectXlsx(prepared, read);
  }
}

function firstRows(prepared: Prepared, read: ReadOptions): readonly ObservedColumn[] {
  if (prepared.dialect.format === "csv") {
    return observed(prepared.names, learnCsv(prepared, read, SAMPLE_ROWS).learned);
  }
  const fields = new JsonFields();
  learnJson(prepared.path, fields, SAMPLE_ROWS);
  return jsonColumns(fields);
}

async function inspectCsv(
  db: DuckDB,
  prepared: Prepared,
  read: ReadOptions,
): Promise<readonly ObservedColumn[]> {
  const names = prepared.names;
  // What the engine might read in another way is learned from every record here.
  const isWalked = prepared.sizeBytes <= SMALL_BYTES || prepared.lines === UNKNOWN_LINES;
  const { learned, longestBytes } = learnCsv(prepared, read, isWalked ? Infinity : SAMPLE_ROWS);
  if (isWalked) return observed(names, learned);
  const work: Work = { prepared, path: prepared.path, trusted: false, longestBytes };
  const columns: { type: Type; unseen: boolean }[] = [];
  try {
    for (let from = 0; from < names.length; from += COLUMNS_AT_ONCE) {
      const guesses = learned.slice(from, from + COLUMNS_AT_ONCE);
      columns.push(...(await verifyCsv(db, work, read, guesses, from)));
    }
  } catch (thrown) {
    // Line ends that DuckDB refuses: learned from every record here, slower and just as exact.
    if (!(thrown instanceof Error)) throw thrown;
    return observed(names, learnCsv(prepared, read, Infinity).learned);
  }
  return observed(names, columns);
}

function observed(
  names: readonly string[],
  columns: readonly { readonly type: Type; readonly unseen: boolean }[],
): ObservedColumn[] {
  return names.map((name, index) => {
    const { type, unseen } = columns[index] ?? { type: NOTHING, unseen: true };
    return { name, type, unseen };
  });
}

const STRING: Type = { kind: "primitive", name: "string" };

/** Learns from the first good records. */
function learnCsv(prepared: Prepared, read: ReadOptions, rowsMax: number) {
  const shape = csvShape(prepared);
  const columns = Array.from({ length: prepared.fieldCount }, () => new TextColumn());
  let row = 0;
  const totals = scanCsv(prepared.path, shape, (record) => {
    if (record.blank || record.isHeader || record.fault !== null) return;
    row++;
    const text = Buffer.from(record.bytes.subarray(record.start, record.end)).toString();
    const fields = splitRecord(text, shape, read.nulls);
    for (const [index, column] of columns.entries()) {
      const value = fields[index] ?? null;
      if (value !== null) column.add(value);
    }
    return row < rowsMax;
  });
  return { learned: columns.map((column) => column.learned()), longestBytes: totals.longestBytes };
}

/** Proves the guesses on all rows; columns that disagree climb the ladder. */
async function verifyCsv(
  db: DuckDB,
  work: Work,
  read: ReadOptions,
  guesses: readonly { readonly type: Type; readonly unseen: boolean }[],
  from: number,
) {
  const checks = guesses.map((guess, index) => {
    const text = `c${from + index}`;
    if (guess.unseen) return `count(${text}) AS k${index}`;
    return `count(*) FILTER (NOT ${textFit(guess.type, text)?.fits ?? "TRUE"}) AS k${index}`;
  });
  const [row] = await db.rows(`SELECT ${checks.join(", ")} FROM ${readCsv([work], read.nulls)}`);
  const wrong = guesses.flatMap((_, index) => (Number(row?.[`k${index}`] ?? 0) > 0 ? [index] : []));
  const columns = [...guesses];
  if (wrong.length === 0) return columns;
  const ladder = wrong.flatMap((index) => ladderSql(`c${from + index}`, index));
  const [found] = await db.rows(`SELECT ${ladder.join(", ")} FROM ${readCsv([work], read.nulls)}`);
  for (const index of wrong) {
    const fits = new Set<TextKind>(
      TEXT_KINDS.filter((kind) => found?.[`${kind}${index}`] === true),
    );
    const digits = {
      whole: Number(found?.[`whole${index}`] ?? 0),
      fraction: Number(found?.[`fraction${index}`] ?? 0),
    };
    columns[index] = { type: textType(fits, digits), unseen: false };
  }
  return columns;
}

/** Every kind that a text column could be, and its digits. */
function ladderSql(text: string, index: number): string[] {
  const isPlain = `regexp_full_match(${text}, '-?(?:(?:0|[1-9][0-9]*)(?:\\.[0-9]+)?|\\.[0-9]+)')`;
  const plain = `(${isPlain} AND NOT regexp_full_match(${text}, '-[0.]*'))`;
  const fitOf = (kind: TextKind): string => {
    if (kind === "decimal") return plain;
    return textFit({ kind: "primitive", name: kind }, text)?.fits ?? "FALSE";
  };
  const kinds = TEXT_KINDS.map(
    (kind) => `coalesce(bool_and(${fitOf(kind)}), TRUE) AS ${kind}${index}`,
  );
  const unsigned = `ltrim(${text}, '-')`;
  return [
    ...kinds,
    `max(CASE WHEN starts_with(${unsigned}, '0') THEN 0
      ELSE strlen(split_part(${unsigned}, '.', 1)) END) AS whole${index}`,
    `max(strlen(split_part(${text}, '.', 2))) AS fraction${index}`,
  ];
}

async function inspectJson(
  db: DuckDB,
  prepared: Prepared,
  read: ReadOptions,
): Promise<readonly ObservedColumn[]> {
  const isSmall = prepared.sizeBytes <= SMALL_BYTES;
  const fields = new JsonFields();
  learnJson(prepared.path, fields, isSmall ? Infinity : SAMPLE_ROWS);
  if (isSmall) return jsonColumns(fields);
  const guess = jsonColumns(fields);
  const { path } = prepared;
  const style = styleOf(path);
  const request = guessRequest(guess, read);
  const plan = planJson(request, style);
  const plain = planPlain(plan, style);
  const isWalked =
    plain !== null &&
    (await scanPlain(path, plain.reader, ({ bytes }) => learnLine(bytes, fields))) !== null;
  // What was learned twice is the same.
  if (!isWalked) await learnSuspects(db, plan, prepared, fields);
  const columns = jsonColumns(fields);
  const settled = columns.every((column, index) => isSettled(guess[index] ?? null, column));
  if (settled) return columns;
  // A wider type depends on values that were proven under the narrower one: read them all.
  const again = new JsonFields();
  learnJson(prepared.path, again, Infinity);
  return jsonColumns(again);
}

/** Learns the lines that the statement does not prove to hold what was guessed. */
async function learnSuspects(
  db: DuckDB,
  plan: JsonPlan,
  prepared: Prepared,
  fields: JsonFields,
): Promise<void> {
  const learn = async (longestBytes: number) => {
    const work: Work = { prepared, path: prepared.path, trusted: false, longestBytes };
    for await (const rows of await db.stream(suspectsJson(plan, work, false))) {
      for (const [, json] of rows) if (json !== null) learnText(String(json), fields);
    }
  };
  try {
    await learn(0);
  } catch (thrown) {
    if (!errorText(thrown).includes("maximum_object_size")) throw thrown;
    // What was learned twice is the same.
    await learn(checkedLongestLine(prepared.path));
  }
}

/** True when what the proven rows hold cannot change the type any more. */
function isSettled(guess: ObservedColumn | null, column: ObservedColumn): boolean {
  // A column that is new holds nothing in the proven rows.
  if (guess === null || guess.unseen) return true;
  return isOnlyFilled(guess.type, column.type) || sameType(column.type, STRING);
}

function learnJson(path: string, fields: JsonFields, rowsMax: number): void {
  const cursor = new LineCursor(path);
  try {
    while (cursor.row < rowsMax && cursor.next()) {
      learnLine(cursor.line(), fields);
    }
  } finally {
    cursor.close();
  }
}

function learnLine(bytes: Uint8Array, fields: JsonFields): void {
  if (isUtf8(bytes)) learnText(Buffer.from(bytes).toString(), fields);
}

function learnText(line: string, fields: JsonFields): void {
  try {
    const node = parseExact(line);
    if (node.kind === "object" && !hasRepeatedKey(node)) fields.add(node, 1);
  } catch (thrown) {
    if (!(thrown instanceof JsonFault)) throw thrown;
  }
}

function jsonColumns(fields: JsonFields): ObservedColumn[] {
  if (fields.isOverfull) {
    throw new Unreadable("limit", `more than ${COLUMNS_MAX} different keys: is it a map?`);
  }
  return fields.columns().map(({ name, place }) => ({ name, ...place.learned() }));
}

/** A request that asks for the columns of a guess and knows no others. */
function guessRequest(guess: readonly ObservedColumn[], read: ReadOptions): DecodeRequest {
  return {
    batch: "",
    source: "",
    ingestedAtMs: 0,
    files: [],
    read,
    dialects: [],
    schema: {
      schemaId: 0,
      fields: guess.map(({ name, type }, index) => ({
        id: index + 1,
        name,
        required: false,
        type: withoutPlaceholders(type),
      })),
    },
    columns: guess.map(({ name, type }) => ({
      source: name,
      name,
      required: false,
      expression: null,
      ...(hasPlaceholder(type) ? { awaits: type } : {}),
    })),
    redacted: false,
    onMisfit: "report",
    onFirst: "report",
    onUnknown: "report",
    onStranger: "report",
    spec: { specId: 0, fields: [] },
    rejectSchema: { schemaId: 0, fields: [] },
    fixes: [],
    staging: "",
    limits: { rowsMax: 0, decodedBytesMax: 0, timeMs: 0, memoryBytes: 0, threads: 1 },
  };
}
