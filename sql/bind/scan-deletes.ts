/** Row-level deletes of other writers, applied as Iceberg says: by file and position, or by equal values. */

import { LakeError } from "../../core/base/errors.ts";
import type { DataFile, Field, PartitionValue, Scan, Schema } from "../../core/table/types.ts";
import { quoteLiteral } from "../syntax/quote.ts";
import { filesSql, internalName } from "./scan-files.ts";

/** Reserved field ids of position delete files. Iceberg spec, "Reserved Field IDs". */
const FILE_PATH_ID = 2147483546;
const POS_ID = 2147483545;

/**
 * Joins to the files (alias `d`) that leave deleted rows out; empty when there are no deletes. Throws
 * `unsupported` for what cannot be applied exactly (deletion vectors, equality on nested or dropped columns).
 */
export function deletesJoin(scan: Scan, schema: Schema): string {
  if (scan.deletes.length === 0) return "";
  const positions = scan.deletes.filter((file) => file.content === "position-deletes");
  const equalities = scan.deletes.filter((file) => file.content === "equality-deletes");
  const parts = [positionJoin(scan, positions), ...equalityJoins(scan, schema, equalities)];
  return parts.filter((part) => part !== "").join(" ");
}

/**
 * Local paths of the delete files. They are recorded under the root that the table was written at, which the data
 * files tell: the lake may have been moved since.
 */
export function deletePaths(scan: Scan): string[] {
  return scan.deletes.map((file) => localPath(scan, file.path));
}

function positionJoin(scan: Scan, files: readonly DataFile[]): string {
  if (files.length === 0) return "";
  for (const file of files) refuseOtherFormats(scan, file);
  const schema: Schema = {
    schemaId: 0,
    fields: [
      {
        id: FILE_PATH_ID,
        name: "file_path",
        required: true,
        type: { kind: "primitive", name: "string" },
      },
      { id: POS_ID, name: "pos", required: true, type: { kind: "primitive", name: "long" } },
    ],
  };
  const deleted = bySequence(files).map(([sequence, group]) => {
    const paths = group.map((file) => localPath(scan, file.path));
    const source = filesSql(paths, schema);
    return `SELECT c${FILE_PATH_ID} AS path, c${POS_ID} AS pos, ${sequence} AS sequence FROM ${source}`;
  });
  const data = scan.files.map(({ localPath: local, file }) => {
    const values = [quoteLiteral(file.path), quoteLiteral(local), String(sequenceOf(file))];
    return `(${values.join(", ")})`;
  });
  const dead =
    `SELECT f.local AS local, p.pos AS pos FROM (${deleted.join(" UNION ALL ")}) AS p JOIN ` +
    `(VALUES ${data.join(", ")}) AS f(recorded, local, sequence) ON p.path = f.recorded AND p.sequence >= f.sequence`;
  return `ANTI JOIN (${dead}) AS pd ON pd.local = d.filename AND pd.pos = d.file_row_number`;
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
    hint: "deletion vectors are not read yet; rewrite the table's data files with the engine that wrote them",
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

function sequenceOf(file: DataFile): bigint {
  return file.dataSequenceNumber ?? 0n;
}

function partitionKey(file: DataFile): string {
  const values = file.partition.map((value: PartitionValue) =>
    value instanceof Uint8Array ? `x${value.toHex()}` : `${typeof value}:${String(value)}`,
  );
  return JSON.stringify([file.specId, ...values]);
}

function localPath(scan: Scan, recorded: string): string {
  const plain = withoutScheme(recorded);
  const [first] = scan.files;
  if (first === undefined) return plain;
  const before = withoutScheme(first.file.path);
  const now = first.localPath;
  let same = 0;
  while (same < before.length && same < now.length && before.at(-1 - same) === now.at(-1 - same)) {
    same++;
  }
  const oldRoot = before.slice(0, before.length - same);
  const newRoot = now.slice(0, now.length - same);
  return plain.startsWith(oldRoot) ? newRoot + plain.slice(oldRoot.length) : plain;
}

function withoutScheme(path: string): string {
  return path.replace(/^file:(?:\/\/(?:localhost)?)?(?=\/)/, "");
}
