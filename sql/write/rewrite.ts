/** Rewrites files of a table under a new schema: columns by id, or by an exact cast from another column. */

import { LakeError } from "../../core/base/errors.ts";
import { own } from "../../core/base/json.ts";
import type { RewriteRequest, RewrittenFiles, StagedFile } from "../../core/engine.ts";
import {
  isHidden,
  ROW_COLUMN,
  ROW_ORDER_KEY,
  withLineage,
} from "../../core/table/system-columns.ts";
import { EMPTY_OBJECT_TEXT } from "../../core/table/type-text.ts";
import type { Field, ScanFile, Schema, Type } from "../../core/table/types.ts";
import { POSITION_COLUMN, pathsOf, rowOrders, scanSql } from "../bind/scan.ts";
import type { DuckDB } from "../duckdb/duckdb.ts";
import { duckDBType, isLossless, typeText } from "../duckdb/types.ts";
import { quoteIdentifier, quoteList, quoteLiteral } from "../syntax/quote.ts";
import type { WorkerContext } from "../worker/context.ts";
import { writeRows } from "./partition.ts";

/** Before the words of a refused cast, so that they are found in what the engine says. */
const REFUSED = "inexact cast: ";

/**
 * One output for one input, rows in their order, deleted rows left out. A cast that would change a value is LakeError
 * `schema` and nothing is to be used. Where no type changes, a file that keeps all of its rows is not written again.
 */
export async function rewrite(
  context: WorkerContext,
  request: RewriteRequest,
): Promise<RewrittenFiles> {
  const db = await context.open({
    allowedPaths: pathsOf(request.scan),
    allowedFolders: [request.staging],
    threads: request.threads,
  });
  const wanted = new Set(request.paths);
  const files = request.scan.files.filter((file) => wanted.has(file.file.path));
  if (files.length !== wanted.size) {
    throw new LakeError("conflict", `${request.scan.table} no longer holds every file to rewrite`, {
      hint: "run it again on the current snapshot",
      context: { table: request.scan.table, asked: wanted.size, found: files.length },
    });
  }
  const baseByPath = await rowOrders(
    db,
    files.map((file) => file.localPath),
  );
  const leaves = await leavesSql(db, request, files);
  const written: StagedFile[] = [];
  const replaced: string[] = [];
  let rowsLeftOut = 0n;
  const isRetyped = Object.keys(request.casts).length > 0;
  for (const [index, file] of files.entries()) {
    const base = baseByPath.get(file.localPath) ?? null;
    const rows = await rowsOf(db, request, file, leaves);
    rowsLeftOut += rows.leaving;
    if (!isRetyped && rows.leaving === 0n && request.without.length > 0) continue;
    replaced.push(file.file.path);
    if (rows.staying === 0n) continue;
    try {
      written.push(...(await rewriteFile(db, request, { file, index, base, leaves })));
    } catch (thrown) {
      throw misfitOf(request, thrown);
    }
  }
  const rows = written.reduce((sum, file) => sum + file.rows, 0n);
  return { files: written, rows, replaced, rowsLeftOut };
}

/** How many rows of a file are left out, and how many are not. */
async function rowsOf(
  db: DuckDB,
  request: RewriteRequest,
  file: ScanFile,
  leaves: string | null,
): Promise<{ leaving: bigint; staying: bigint }> {
  const all = { leaving: 0n, staying: file.file.recordCount };
  if (leaves === null) return all;
  const scan = { ...request.scan, files: [file] };
  const hidden = hiddenOf(request, scan.schema);
  const rows = await scanSql(db, scan, { hidden, schema: scan.schema, positions: false });
  const [found] = await db.rows(
    `SELECT count(*) FILTER (WHERE ${leaves}) AS leaving, count(*) AS total FROM (${rows})`,
  );
  if (found === undefined) return all;
  const leaving = BigInt(String(found.leaving));
  return { leaving, staying: BigInt(String(found.total)) - leaving };
}

/** The refusal of a cast as LakeError `schema` that names its column; anything else as it is. */
function misfitOf(request: RewriteRequest, thrown: unknown): unknown {
  if (!(thrown instanceof LakeError)) return thrown;
  const start = thrown.message.indexOf(REFUSED);
  if (start < 0) return thrown;
  const message = thrown.message.slice(start + REFUSED.length);
  const column = Object.keys(request.casts).find((name) => message.startsWith(`${name}: `));
  return new LakeError("schema", message, {
    hint: "nothing was changed; a type that holds every row there is: varchar",
    context: { table: request.scan.table, ...(column === undefined ? {} : { column }) },
    cause: thrown,
  });
}

interface OneFile {
  readonly file: ScanFile;
  readonly index: number;
  readonly base: bigint | null;
  readonly leaves: string | null;
}

async function rewriteFile(
  db: DuckDB,
  request: RewriteRequest,
  { file, index, base, leaves }: OneFile,
): Promise<readonly StagedFile[]> {
  const schema = withLineage(request.schema, request.scan);
  const sources = schema.fields.map((field) => ({
    field,
    source: sourceOf(request, field),
  }));
  const readSchema: Schema = {
    ...schema,
    fields: sources.map(({ field, source }) => ({ ...source, name: field.name })),
  };
  const hidden = hiddenOf(request, request.schema);
  const scan = { ...request.scan, files: [file] };
  const rows = await scanSql(db, scan, { hidden, schema: readSchema, positions: true });
  const items = sources.map(({ field, source }) => {
    const name = quoteIdentifier(field.name);
    return `${partsSql(source.type, field.type, name, field.name, 0)} AS ${name}`;
  });
  const kept = leaves === null ? "" : ` WHERE NOT ${leaves}`;
  const sql = `SELECT ${items.join(", ")} FROM (${rows})${kept} ORDER BY ${POSITION_COLUMN}`;
  const keepsPartition = samePartition(request, file);
  const target = {
    schema,
    spec: keepsPartition ? { specId: file.file.specId, fields: [] } : request.spec,
    folder: request.staging,
    name: `rewritten-${index}`,
    ...footerOf(request, base),
  };
  const written = await writeRows(db, sql, target);
  if (!keepsPartition) return written.files;
  return written.files.map((staged) => ({ ...staged, partition: file.file.partition }));
}

/** The hidden columns to read: places, too, where the last rows of a drop leave. */
function hiddenOf(request: RewriteRequest, schema: Schema): Set<string> {
  const hidden = new Set(schema.fields.map((field) => field.name).filter(isHidden));
  if (request.without.some(({ lastRows }) => lastRows !== undefined)) hidden.add(ROW_COLUMN.name);
  return hidden;
}

/**
 * True or false, never NULL: rows that another engine wrote have neither batch nor file. Null where all stay. The rows
 * that stay keep their places, which are counted drop by drop.
 */
async function leavesSql(
  db: DuckDB,
  request: RewriteRequest,
  files: readonly ScanFile[],
): Promise<string | null> {
  const { scan, without, fileColumn } = request;
  const names = new Set(scan.schema.fields.map((field) => field.name));
  if (without.length === 0 || !names.has(fileColumn) || !names.has("_batch")) return null;
  const pair = `_batch || chr(10) || ${quoteIdentifier(fileColumn)}`;
  const keyOf = (one: { batch: string; file: string }): string => `${one.batch}\n${one.file}`;
  const whole = without.filter(({ lastRows }) => lastRows === undefined).map(keyOf);
  const parts =
    whole.length === 0 ? [] : [`coalesce(${pair} IN (SELECT unnest(${quoteList(whole)})), FALSE)`];
  const read = { hidden: hiddenOf(request, scan.schema), schema: scan.schema, positions: false };
  for (const one of without) {
    if (one.lastRows === undefined) continue;
    const rows = await scanSql(db, { ...scan, files: [...files] }, read);
    const isIts = `${pair} = ${quoteLiteral(keyOf(one))}`;
    const [found] = await db.rows(
      `SELECT min(place) AS place FROM (SELECT ${ROW_COLUMN.name} AS place FROM (${rows})
       WHERE ${isIts} ORDER BY place DESC NULLS LAST LIMIT ${Math.trunc(one.lastRows)})`,
    );
    const place = found?.place ?? null;
    if (place === null) continue;
    parts.push(`coalesce(${isIts} AND ${ROW_COLUMN.name} >= ${BigInt(String(place))}, FALSE)`);
  }
  return parts.length === 0 ? null : `(${parts.join(" OR ")})`;
}

/** The order of the file still says where its rows stood, unless rows were left out or `_row` is stored. */
function footerOf(request: RewriteRequest, base: bigint | null) {
  const isStored = request.schema.fields.some((field) => field.name === ROW_COLUMN.name);
  if (base === null || isStored || request.scan.deletes.length > 0) return {};
  return { footer: { [ROW_ORDER_KEY]: String(base) } };
}

/** What a column is read as: itself by id, or the old column that its values are cast from. */
function sourceOf(request: RewriteRequest, field: Field): Field {
  const from = own(request.casts, field.name);
  if (from === undefined) return field;
  const source = request.scan.schema.fields.find((candidate) => candidate.name === from);
  if (source !== undefined) return source;
  throw new LakeError(
    "internal",
    `${request.scan.table} has no column ${from} to cast ${field.name} from`,
    {
      hint: "report this: a rewrite was planned on another schema",
      context: { table: request.scan.table, column: from },
    },
  );
}

function samePartition(request: RewriteRequest, file: ScanFile): boolean {
  if (request.spec.specId !== file.file.specId) return false;
  const castIds = new Set(
    request.schema.fields.filter((field) => field.name in request.casts).map((field) => field.id),
  );
  return request.spec.fields.every((field) => !castIds.has(field.sourceId));
}

/**
 * A value of the new type, nested ones part by part, or an error of the engine: never another value. A text that stood
 * for an object without a key becomes one without a value.
 */
function partsSql(from: Type, to: Type, value: string, name: string, depth: number): string {
  const isText = to.kind === "primitive" && to.name === "string";
  if (isText && !(from.kind === "primitive" && from.name === "string")) return textSql(from, value);
  if (isLossless(from, to)) return `CAST(${value} AS ${duckDBType(to)})`;
  if (from.kind === "list" && to.kind === "list") {
    const item = `x${depth}`;
    const inner = partsSql(from.element, to.element, item, name, depth + 1);
    return `list_transform(${value}, lambda ${item}: ${inner})`;
  }
  if (from.kind === "struct" && to.kind === "struct" && hasFieldsOf(to, from)) {
    const fields = to.fields.map((field) => {
      const known = from.fields.find((other) => other.name === field.name);
      const own = `${value}.${quoteIdentifier(field.name)}`;
      const part =
        known === undefined
          ? `NULL::${duckDBType(field.type)}`
          : partsSql(known.type, field.type, own, name, depth);
      return `${quoteIdentifier(field.name)} := ${part}`;
    });
    return `CASE WHEN ${value} IS NULL THEN NULL ELSE struct_pack(${fields.join(", ")}) END`;
  }
  if (from.kind === "primitive" && from.name === "string" && to.kind === "struct") {
    const empty = to.fields.map((field) => {
      return `${quoteIdentifier(field.name)} := NULL::${duckDBType(field.type)}`;
    });
    const isEmpty = `${value} = ${quoteLiteral(EMPTY_OBJECT_TEXT)}`;
    const refused = exactCast(from, to, value, name);
    return `CASE WHEN ${isEmpty} THEN struct_pack(${empty.join(", ")}) ELSE ${refused} END`;
  }
  return exactCast(from, to, value, name);
}

function hasFieldsOf(type: Type & { kind: "struct" }, other: Type & { kind: "struct" }): boolean {
  const names = new Set(type.fields.map((field) => field.name));
  return other.fields.every((field) => names.has(field.name));
}

function exactCast(from: Type, to: Type, value: string, name: string): string {
  const type = duckDBType(to);
  const back = `TRY_CAST(TRY_CAST(${value} AS ${type}) AS ${duckDBType(from)})`;
  const message = quoteLiteral(
    `${REFUSED}${name}: a ${typeText(from)} does not fit ${typeText(to)}: `,
  );
  const refused = `error(${message} || ${value}::VARCHAR)`;
  return `CASE WHEN ${back} IS DISTINCT FROM ${value} THEN ${refused} ELSE CAST(${value} AS ${type}) END`;
}

/** The text that says all of a value: plain digits, ISO dates, UTC for instants, JSON for nested values. */
function textSql(type: Type, column: string): string {
  if (type.kind === "primitive" && type.name === "timestamptz") {
    return `make_timestamp(epoch_us(${column}))::VARCHAR || '+00'`;
  }
  if (type.kind === "struct" || type.kind === "list" || type.kind === "map") {
    return `to_json(CAST(${column} AS ${duckDBType(withTextDecimals(type))}))::VARCHAR`;
  }
  return `CAST(${column} AS VARCHAR)`;
}

/** JSON numbers lose digits of decimals; texts do not. */
function withTextDecimals(type: Type): Type {
  switch (type.kind) {
    case "decimal":
      return { kind: "primitive", name: "string" };
    case "struct":
      return {
        ...type,
        fields: type.fields.map((f) => ({ ...f, type: withTextDecimals(f.type) })),
      };
    case "list":
      return { ...type, element: withTextDecimals(type.element) };
    case "map":
      return { ...type, key: withTextDecimals(type.key), value: withTextDecimals(type.value) };
    default:
      return type;
  }
}
