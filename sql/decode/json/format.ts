/** JSON as a format: what a file of lines holds, and who reads it. */

import { isUtf8 } from "node:buffer";
import { errorText } from "../../../core/base/errors.ts";
import type { DecodeRequest, ObservedColumn } from "../../../core/engine.ts";
import type { ReadOptions } from "../../../core/ingest/contract.ts";
import { COLUMNS_MAX } from "../../../core/limits.ts";
import {
  hasPlaceholder,
  isOnlyFilled,
  sameType,
  withoutPlaceholders,
} from "../../../core/table/type-text.ts";
import type { Type } from "../../../core/table/types.ts";
import type { DuckDB } from "../../duckdb/duckdb.ts";
import { utf8Text } from "../encoding.ts";
import { misfitsMax } from "../first-misfit.ts";
import { type FileTexts, type FormatReader, SMALL_BYTES } from "../format.ts";
import type { Work } from "../group.ts";
import { LineCursor } from "../line-cursor.ts";
import { JsonFields } from "../lossless/narrowest-type.ts";
import type { Prepared } from "../prepared.ts";
import { positionOf } from "../rejects.ts";
import { Unreadable } from "../unreadable.ts";
import { checkedLongestLine, JsonReader, jsonGroupKey, styleOf } from "./json.ts";
import { hasRepeatedKey, JsonFault, parseExact } from "./parse.ts";
import { scanPlain } from "./plain-scan.ts";
import { planPlain } from "./plain-sql.ts";
import { prepareJson } from "./prepare.ts";
import { type JsonPlan, planJson, suspectsJson } from "./sql.ts";
import { writeLines } from "./whole-lines.ts";

const SAMPLE_ROWS = 2_000;
const STRING: Type = { kind: "primitive", name: "string" };

export const FORMAT: FormatReader = {
  prepareText: (base, known, _options, how) => prepareJson(base, known, how),
  isCounted: true,
  isTyped: false,
  inspect: inspectJson,
  inspectFirst(prepared, read) {
    const columns = firstColumns(prepared, read);
    // How many there are is known of the whole file alone.
    return columns.some(({ mixed }) => mixed !== undefined) ? null : columns;
  },
  groupKey: jsonGroupKey,
  rowTexts: textsOfJson,
  writeWhole: writeLines,
  byEngine: async ({ db, request, rejects }, first) => new JsonReader(db, request, rejects, first),
};

async function inspectJson(
  db: DuckDB,
  prepared: Prepared,
  read: ReadOptions,
): Promise<readonly ObservedColumn[]> {
  if (prepared.sizeBytes <= SMALL_BYTES) return allColumns(prepared, read);
  const fields = new JsonFields();
  learnJson(prepared.path, fields, SAMPLE_ROWS);
  const guess = firstColumns(prepared, read);
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
  const isCounted = (read.misfits ?? 0) > 0;
  const settled = columns.every((column, index) =>
    isSettled(guess[index] ?? null, column, isCounted),
  );
  if (settled) return columns.map(({ name, type, unseen }) => ({ name, type, unseen }));
  // A wider type depends on values that were proven under the narrower one: read them all.
  return allColumns(prepared, read);
}

/** What the first rows hold, with the places where most of their values are of one type. */
function firstColumns(prepared: Prepared, { misfits = 0 }: ReadOptions): ObservedColumn[] {
  const fields = new JsonFields(COLUMNS_MAX, misfits === 0 ? 0 : SAMPLE_ROWS / 2);
  learnJson(prepared.path, fields, SAMPLE_ROWS);
  return jsonColumns(fields, (values) => values / 2);
}

function allColumns(prepared: Prepared, read: ReadOptions): ObservedColumn[] {
  const fields = new JsonFields(COLUMNS_MAX, misfitsMax(read, prepared.lines));
  learnJson(prepared.path, fields, Infinity);
  return jsonColumns(fields, (values) => misfitsMax(read, values));
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
function isSettled(
  guess: ObservedColumn | null,
  column: ObservedColumn,
  isCounted: boolean,
): boolean {
  if (guess?.mixed !== undefined) return false;
  // A column that is new holds nothing in the proven rows.
  if (guess === null || guess.unseen) return true;
  if (isOnlyFilled(guess.type, column.type)) return true;
  // It may be so for a few values alone.
  return !isCounted && sameType(column.type, STRING);
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

/** `misfitsOf` says how many of the values of a place may be misfits, of those that are told. */
function jsonColumns(
  fields: JsonFields,
  misfitsOf: (values: number) => number = () => 0,
): ObservedColumn[] {
  if (fields.isOverfull) {
    throw new Unreadable("limit", `more than ${COLUMNS_MAX} different keys: is it a map?`);
  }
  return fields.columns().map(({ name, place }) => {
    const { mixed = [], ...learned } = place.learned();
    const few = mixed.filter(({ values, misfits }) => misfits <= misfitsOf(values));
    return { name, ...learned, ...(few.length === 0 ? {} : { mixed: few }) };
  });
}

function textsOfJson(prepared: Prepared, positions: ReadonlySet<string>): FileTexts {
  const cursor = new LineCursor(prepared.path);
  const texts: Record<string, string> = {};
  try {
    while (cursor.next()) {
      const row = cursor.row + prepared.rowsBefore;
      const line = prepared.positions === "line" ? cursor.number + prepared.linesBefore : null;
      const position = positionOf({ line, row });
      if (!positions.has(position)) continue;
      const text = utf8Text(cursor.line());
      if (text !== null) texts[position] = text;
    }
  } finally {
    cursor.close();
  }
  return { form: { kind: "json" }, texts };
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
