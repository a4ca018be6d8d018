/**
 * What deletes rows of a scan, as SQL: position deletes, deletion vectors and equality deletes, as Iceberg says.
 * iceberg.md, rows 62 to 65.
 */

import { LakeError } from "../../core/base/errors.ts";
import { isVector } from "../../core/table/live.ts";
import { FILE_PATH_ID, POS_ID, POSITION_DELETES } from "../../core/table/system-columns.ts";
import type {
  DataFile,
  Field,
  PartitionValue,
  Scan,
  ScanFile,
  Schema,
} from "../../core/table/types.ts";
import { quoteLiteral } from "../syntax/quote.ts";
import { filesSql, internalName, localPath } from "./nested.ts";
import { type OpenVector, vectorRowsSql } from "./vectors.ts";

/**
 * Joins to the files (alias `d`) that leave deleted rows out; empty when there are no deletes. Throws
 * `unsupported` for what cannot be applied exactly (equality on nested or dropped columns), `corrupt` for a damaged
 * deletion vector.
 */
export function deletesJoin(scan: Scan, schema: Schema): string {
  if (scan.deletes.length === 0) return "";
  const positions = scan.deletes.filter((file) => file.content === "position-deletes");
  const equalities = scan.deletes.filter((file) => file.content === "equality-deletes");
  const parts = [positionJoin(scan, positions), ...equalityJoins(scan, schema, equalities)];
  return parts.filter((part) => part !== "").join(" ");
}

function positionJoin(scan: Scan, files: readonly DataFile[]): string {
  if (files.length === 0) return "";
  const dead = deadRowsSql(scan, files);
  return `ANTI JOIN (${dead}) AS pd ON pd.local = d.filename AND pd.pos = d.file_row_number`;
}

/**
 * The rows that position deletes and deletion vectors (some at least of a scan's) take out: `local`, the path of their
 * file, and `pos`. Of a file that has a vector nothing else is said: it has all that was deleted before.
 */
export function deadRowsSql(scan: Scan, files: readonly DataFile[]): string {
  const vectors = openVectors(scan);
  const asked = new Set(files);
  const parts: string[] = [];
  const own = vectors.filter(({ vector }) => asked.has(vector));
  const positions = files.filter((file) => !isVector(file));
  if (own.length > 0 || positions.length === 0) parts.push(vectorRowsSql(own));
  if (positions.length > 0) {
    const done = new Set(vectors.map(({ data }) => data));
    parts.push(
      positionRowsSql(
        scan,
        positions,
        scan.files.filter((file) => !done.has(file)),
      ),
    );
  }
  return parts.join(" UNION ALL ");
}

/** The vectors of a scan, each with its data file. Throws `corrupt` where a file has two. */
function openVectors(scan: Scan): OpenVector[] {
  const vectors = scan.deletes.filter(isVector);
  if (vectors.length === 0) return [];
  const byPath = new Map(scan.files.map((file) => [file.file.path, file]));
  const seen = new Set<ScanFile>();
  return vectors.flatMap((vector) => {
    const { referencedDataFile } = vector;
    if (referencedDataFile === null) throw namesNoFile(scan, vector);
    const data = byPath.get(referencedDataFile);
    if (data === undefined || sequenceOf(data.file) > sequenceOf(vector)) return [];
    if (seen.has(data)) {
      throw new LakeError("corrupt", `${scan.table}: ${data.file.path} has two deletion vectors`, {
        hint: "which of them counts is not known: restore an earlier state, or rewrite the table where it was written",
        context: { table: scan.table, file: data.file.path },
      });
    }
    seen.add(data);
    return [{ vector, localPath: localPath(scan, vector.path), data }];
  });
}

function namesNoFile(scan: Scan, { path }: DataFile): LakeError {
  return new LakeError("corrupt", `${path}: a deletion vector names no data file`, {
    hint: "which rows are deleted is not known: restore an earlier state of the table: tarn restore",
    context: { table: scan.table, file: path },
  });
}

function positionRowsSql(
  scan: Scan,
  files: readonly DataFile[],
  about: readonly ScanFile[],
): string {
  for (const file of files) refuseOtherFormats(scan, file);
  if (about.length === 0) return vectorRowsSql([]);
  const deleted = bySequence(files).map(([sequence, group]) => {
    const paths = group.map((file) => localPath(scan, file.path));
    const source = filesSql(paths, POSITION_DELETES);
    return `SELECT c${FILE_PATH_ID} AS path, c${POS_ID} AS pos, ${sequence} AS sequence FROM ${source}`;
  });
  const data = about.map(({ localPath: local, file }) => {
    const values = [quoteLiteral(file.path), quoteLiteral(local), String(sequenceOf(file))];
    return `(${values.join(", ")})`;
  });
  return (
    `SELECT f.local AS local, p.pos AS pos FROM (${deleted.join(" UNION ALL ")}) AS p JOIN ` +
    `(VALUES ${data.join(", ")}) AS f(recorded, local, sequence) ON p.path = f.recorded AND p.sequence >= f.sequence`
  );
}

/** One join per set of columns: rows equal in all of them, in files written before the delete. */
function equalityJoins(scan: Scan, schema: Schema, files: readonly DataFile[]): string[] {
  const byColumns = new Map<string, DataFile[]>();
  for (const file of files) {
    refuseOtherFormats(scan, file);
    const key = [...(file.equalityIds ?? [])].sort((a, b) => a - b).join(",");
    byColumns.set(key, [...(byColumns.get(key) ?? []), file]);
  }
  const joins = [...byColumns].map(([key, group], index) => {
    const fields = key.split(",").map((id) => fieldOf(scan, schema, Number(id)));
    const only = { ...schema, fields };
    const deleted = group.map((file) => {
      const columns = fields.map((field) => internalName(field)).join(", ");
      const partition = file.partition.length === 0 ? "NULL" : quoteLiteral(partitionKey(file));
      const source = filesSql([localPath(scan, file.path)], only);
      return `SELECT ${columns}, ${sequenceOf(file)} AS sequence, ${partition} AS part FROM ${source}`;
    });
    const alias = `ed${index}`;
    const equal = fields.map((field) => {
      const name = internalName(field);
      return `${alias}.${name} IS NOT DISTINCT FROM d.${name}`;
    });
    const conditions = [
      ...equal,
      `${alias}.sequence > ef.sequence`,
      `(${alias}.part IS NULL OR ${alias}.part = ef.part)`,
    ];
    return `ANTI JOIN (${deleted.join(" UNION ALL ")}) AS ${alias} ON ${conditions.join(" AND ")}`;
  });
  if (joins.length === 0) return [];
  const data = scan.files.map(({ localPath: local, file }) => {
    const values = [
      quoteLiteral(local),
      String(sequenceOf(file)),
      quoteLiteral(partitionKey(file)),
    ];
    return `(${values.join(", ")})`;
  });
  const info = `JOIN (VALUES ${data.join(", ")}) AS ef(local, sequence, part) ON ef.local = d.filename`;
  return [info, ...joins];
}

function fieldOf(scan: Scan, schema: Schema, id: number): Field {
  const field = schema.fields.find((candidate) => candidate.id === id);
  if (field !== undefined && field.type.kind !== "struct") return field;
  throw new LakeError(
    "unsupported",
    `${scan.table} has deletes by field ${id}, which is no top-level column of it now`,
    {
      hint: "rewrite the table's data files with the engine that wrote the deletes, then read it again",
      context: { table: scan.table, field: id },
    },
  );
}

function refuseOtherFormats(scan: Scan, file: DataFile): void {
  if (file.format.toLowerCase() === "parquet") return;
  throw new LakeError("unsupported", `${scan.table} has deletes in ${file.format} files`, {
    hint: "only Parquet and Puffin are read; rewrite the table's data files with the engine that wrote them",
    context: { table: scan.table, file: file.path },
  });
}

function bySequence(files: readonly DataFile[]): [bigint, DataFile[]][] {
  const groups = new Map<bigint, DataFile[]>();
  for (const file of files) {
    const sequence = sequenceOf(file);
    groups.set(sequence, [...(groups.get(sequence) ?? []), file]);
  }
  return [...groups];
}

function partitionKey(file: DataFile): string {
  const values = file.partition.map((value: PartitionValue) =>
    value instanceof Uint8Array ? `x${value.toHex()}` : `${typeof value}:${String(value)}`,
  );
  return JSON.stringify([file.specId, ...values]);
}

/** The data sequence number; 0 of files of before there were any. */
function sequenceOf(file: DataFile): bigint {
  return file.dataSequenceNumber ?? 0n;
}
