/** Several data files of a partition written as one: no row changes, deleted ones are left out. */

import { LakeError } from "../../core/base/errors.ts";
import type { StagedFile, Written } from "../../core/engine.ts";
import type { CompactedFiles, CompactRequest } from "../../core/table/compaction.ts";
import { fileKey, isVector } from "../../core/table/live.ts";
import { isHidden, POSITION_DELETES, withLineage } from "../../core/table/system-columns.ts";
import type { DataFile, ScanFile, Schema, SortField } from "../../core/table/types.ts";
import { deadRowsSql } from "../bind/deletes.ts";
import { pathsOf, ROW_GROUP_ROWS, scanSql } from "../bind/scan.ts";
import type { DuckDB } from "../duckdb/duckdb.ts";
import { quoteIdentifier, quoteList } from "../syntax/quote.ts";
import type { WorkerContext } from "../worker/context.ts";
import { partitionColumns, writeRows } from "./partition.ts";

const PLACES = ["_batch", "_source_file", "_row"] as const;
/** More rows are not sorted for that. */
const PLACED_ROWS_MAX = ROW_GROUP_ROWS;
const NO_FILES: Written = { files: [], rows: 0n };

/**
 * One output for each group; a group of one file that loses nothing is left alone. Where a replaced file has marks, the
 * position deletes of the partition are replaced, and what they say of other files is said again.
 */
export async function compact(
  context: WorkerContext,
  request: CompactRequest,
): Promise<CompactedFiles> {
  const { scan } = request;
  const db = await context.open({
    allowedPaths: pathsOf(scan),
    allowedFolders: [request.staging],
    threads: request.threads,
  });
  const positions = scan.deletes.filter(({ content }) => content === "position-deletes");
  const hasOthers = positions.length < scan.deletes.length;
  const deadByPath = await deadRows(db, request, positions);
  const deadOf = ({ localPath }: ScanFile): number => deadByPath.get(localPath) ?? 0;
  const files: StagedFile[] = [];
  const replaced: ScanFile[] = [];
  for (const [index, group] of groupsOf(request).entries()) {
    const [only, ...others] = group;
    const isWhole = only !== undefined && others.length === 0 && deadOf(only) === 0 && !hasOthers;
    if (isWhole) continue;
    files.push(...(await writeGroup(db, request, group, index)));
    replaced.push(...group);
  }
  const isMarked = replaced.some((one) => deadOf(one) > 0);
  const { hasLineage = false } = scan;
  const about = new Set(replaced.map(({ file }) => file.path));
  // Of a vector its own file is known; what other deletes say of files that stay is said again.
  const leaving = positions.filter(
    (file) => !isVector(file) || about.has(file.referencedDataFile ?? ""),
  );
  const said = hasLineage ? leaving.filter((file) => !isVector(file)) : positions;
  const marks =
    isMarked && said.length > 0 ? await marksOfOthers(db, request, said, replaced) : NO_FILES;
  const before = replaced.reduce((sum, { file }) => sum + file.recordCount, 0n);
  const rows = files.reduce((sum, file) => sum + file.rows, 0n);
  checkRows(request, { before, rows, dead: replaced.reduce((n, one) => n + deadOf(one), 0) });
  const gone = [...replaced.map(({ file }) => file), ...(isMarked ? leaving : [])];
  return { files, rows, marks, replaced: gone.map(fileKey), rowsLeftOut: before - rows };
}

/** What is left out must be what is deleted; deletes by value are not counted. */
function checkRows(
  { scan }: CompactRequest,
  { before, rows, dead }: { before: bigint; rows: bigint; dead: number },
): void {
  if (scan.deletes.some(({ content }) => content === "equality-deletes")) return;
  if (before - rows === BigInt(dead)) return;
  throw new LakeError("corrupt", `${scan.table}: of ${before} rows ${rows} were read back`, {
    hint: "nothing was changed; see: tarn doctor --deep",
    context: { table: scan.table, deleted: dead },
  });
}

function groupsOf({ scan, groups }: CompactRequest): ScanFile[][] {
  const byPath = new Map(scan.files.map((one) => [one.file.path, one]));
  return groups.map((paths) =>
    paths.map((path) => {
      const found = byPath.get(path);
      if (found !== undefined) return found;
      throw new LakeError("conflict", `${scan.table} no longer holds every file to compact`, {
        hint: "run it again on the current snapshot",
        context: { table: scan.table, file: path },
      });
    }),
  );
}

async function writeGroup(
  db: DuckDB,
  request: CompactRequest,
  group: readonly ScanFile[],
  index: number,
): Promise<readonly StagedFile[]> {
  const { specId, partition, staging } = request;
  const schema = withLineage(request.schema, request.scan);
  const hidden = new Set(schema.fields.map(({ name }) => name).filter(isHidden));
  const rows = await scanSql(db, { ...request.scan, files: group }, { hidden, schema });
  const columns = schema.fields.map(({ name }) => quoteIdentifier(name)).join(", ");
  const order = orderSql(request.sortBy, schema) || placesSql(group, schema);
  const sql = `SELECT ${columns} FROM (${rows})${order}`;
  const written = await writeRows(db, sql, {
    schema,
    spec: { specId, fields: [] },
    folder: staging,
    name: `compacted-${index}`,
  });
  return written.files.map((file) => ({ ...file, partition }));
}

/**
 * Rows of drops in the order of their places. The engine keeps the order of many rows by itself; of few it may look
 * for the places from the other side.
 */
function placesSql(group: readonly ScanFile[], { fields }: Schema): string {
  const rows = group.reduce((sum, { file }) => sum + file.recordCount, 0n);
  const names = new Set(fields.map(({ name }) => name));
  const isPlaced = PLACES.every((name) => names.has(name));
  return isPlaced && rows <= PLACED_ROWS_MAX ? ` ORDER BY ${PLACES.join(", ")}` : "";
}

/** Transforms but `bucket` keep the order of their column. */
function orderSql(sortBy: readonly SortField[], schema: Schema): string {
  const items = sortBy.flatMap(({ sourceId, transform, direction, nullOrder }) => {
    const field = schema.fields.find(({ id }) => id === sourceId);
    if (field === undefined) return [];
    const fields = [{ sourceId, fieldId: 0, name: "", transform }];
    const [bucket] = transform.startsWith("bucket")
      ? partitionColumns({ specId: 0, fields }, schema)
      : [];
    const value = bucket?.sql ?? quoteIdentifier(field.name);
    const nulls = nullOrder === "nulls-first" ? "FIRST" : "LAST";
    return [`${value} ${direction === "asc" ? "ASC" : "DESC"} NULLS ${nulls}`];
  });
  return items.length === 0 ? "" : ` ORDER BY ${items.join(", ")}`;
}

async function deadRows(
  db: DuckDB,
  { scan }: CompactRequest,
  positions: readonly DataFile[],
): Promise<ReadonlyMap<string, number>> {
  if (positions.length === 0) return new Map();
  const rows = await db.rows(
    `SELECT local, count(DISTINCT pos) AS n FROM (${deadRowsSql(scan, positions)}) GROUP BY local`,
  );
  return new Map(rows.map((row) => [String(row.local), Number(row.n)]));
}

/** One position delete file with all that is deleted in files that stay. */
async function marksOfOthers(
  db: DuckDB,
  request: CompactRequest,
  positions: readonly DataFile[],
  replaced: readonly ScanFile[],
): Promise<Written> {
  const { scan, staging, specId, partition } = request;
  const gone = new Set(replaced.map(({ localPath }) => localPath));
  const kept = scan.files.filter(({ localPath }) => !gone.has(localPath));
  if (kept.length === 0) return NO_FILES;
  const local = quoteList(kept.map(({ localPath }) => localPath));
  const recorded = quoteList(kept.map(({ file }) => file.path));
  const named = `SELECT unnest(${local}) AS local, unnest(${recorded}) AS file_path`;
  const dead = deadRowsSql({ ...scan, files: kept }, positions);
  if (scan.hasLineage === true) {
    const { writeVectorFile } = await import("./vectors.ts");
    return await writeVectorFile(db, dead, kept, `${staging}/marks.puffin`);
  }
  const written = await writeRows(
    db,
    `SELECT DISTINCT file_path, pos FROM (${dead}) JOIN (${named}) USING (local) ORDER BY file_path, pos`,
    { schema: POSITION_DELETES, spec: { specId, fields: [] }, folder: staging, name: "marks" },
  );
  return { ...written, files: written.files.map((file) => ({ ...file, partition })) };
}
