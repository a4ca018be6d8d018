/**
 * Files as the engine reads them: columns by field id, nested fields too. DuckDB finds top-level columns by field id
 * and children of structs by name, so a renamed child would read NULL: files written under other names are read as
 * they are and rebuilt. iceberg.md, section 8.
 */

import type { Field, Scan, Schema, Type } from "../../core/table/types.ts";
import type { SchemaRow } from "../decode/parquet/file-footer.ts";
import type { DuckDB } from "../duckdb/duckdb.ts";
import { duckDBType } from "../duckdb/types.ts";
import { quoteFileList, quoteIdentifier, quoteLiteral } from "../syntax/quote.ts";

/** A column as a file holds it. Lists have one child (the element), maps two (key and value). */
export interface FileField {
  readonly id: number | null;
  readonly name: string;
  readonly shape: "leaf" | "struct" | "list" | "map";
  readonly children: readonly FileField[];
  /** DuckDB's type of a column that is one plain value; null for all others, and where nobody asked the engine. */
  readonly leafType: string | null;
}

/** Files that hold their nested columns in the same way. */
export interface FileGroup {
  readonly paths: readonly string[];
  /** Columns to rebuild, by field id; the others read right as they are. */
  readonly rebuilt: ReadonlyMap<number, FileField>;
}

/** Files whose nested columns are known, by path: data files never change. */
const SHAPES_KEPT_MAX = 20_000;
const shapesByPath = new Map<string, readonly FileField[]>();
const typedByPath = new Map<string, readonly FileField[]>();

/**
 * `read_parquet` of exact files whose columns are called `c<field id>`, so that no column of a table can stand in the
 * way of the reader's own `filename` and `file_row_number`.
 */
export function filesSql(
  paths: readonly string[],
  schema: Schema,
  group: Pick<FileGroup, "rebuilt"> | null = null,
): string {
  const entries = schema.fields.map((field) => {
    const inFile = group?.rebuilt.get(field.id);
    const type = inFile === undefined ? duckDBType(field.type) : fileType(field.type, inFile);
    const parts = `name: ${quoteLiteral(internalName(field))}, type: ${quoteLiteral(type)}`;
    return `${field.id}: {${parts}, default_value: NULL}`;
  });
  const map =
    entries.length === 0 ? "0: {name: 'none', type: 'BOOLEAN', default_value: NULL}" : null;
  return (
    `read_parquet(${quoteFileList(paths)}, schema = MAP {${map ?? entries.join(", ")}}, ` +
    "hive_partitioning = false)"
  );
}

/** What a column is called inside `filesSql`. */
export function internalName(field: Pick<Field, "id">): string {
  return `c${field.id}`;
}

/** Groups files by what has to be rebuilt; one group without a look at any file when nothing is nested. */
export async function groupFiles(
  db: DuckDB,
  paths: readonly string[],
  schema: Schema,
): Promise<FileGroup[]> {
  const nested = schema.fields.filter((field) => hasStruct(field.type));
  if (nested.length === 0) return [{ paths, rebuilt: new Map() }];
  await readShapes(db, paths);
  const groups = new Map<string, { paths: string[]; rebuilt: Map<number, FileField> }>();
  for (const path of paths) {
    const rebuilt = new Map<number, FileField>();
    for (const field of nested) {
      const inFile = shapesByPath.get(path)?.find((candidate) => candidate.id === field.id);
      if (inFile !== undefined && !readsRight(field.type, inFile)) rebuilt.set(field.id, inFile);
    }
    const key = JSON.stringify([...rebuilt]);
    const group = groups.get(key) ?? { paths: [], rebuilt };
    group.paths.push(path);
    groups.set(key, group);
  }
  return [...groups.values()];
}

/** The columns of one file, as its footer says, with the engine's types. */
export async function fileFields(db: DuckDB, path: string): Promise<readonly FileField[]> {
  const known = typedByPath.get(path) ?? (await engineShapes(db, [path])).get(path) ?? [];
  if (typedByPath.size >= SHAPES_KEPT_MAX) typedByPath.clear();
  typedByPath.set(path, known);
  return known;
}

/** The type to read a column as, so that the file's own names are found. */
export function fileType(type: Type, inFile: FileField): string {
  const [first, second] = inFile.children;
  if (type.kind === "struct" && inFile.shape === "struct") {
    const parts = inFile.children.flatMap((child) => {
      const field = fieldOf(type.fields, child);
      return field === null
        ? []
        : [`${quoteIdentifier(child.name)} ${fileType(field.type, child)}`];
    });
    return `STRUCT(${parts.length === 0 ? anyChild(inFile) : parts.join(", ")})`;
  }
  if (type.kind === "list" && first !== undefined) return `${fileType(type.element, first)}[]`;
  if (type.kind === "map" && first !== undefined && second !== undefined) {
    return `MAP(${fileType(type.key, first)}, ${fileType(type.value, second)})`;
  }
  return duckDBType(type);
}

/** An expression of the schema's type from one of the file's type. */
export function rebuild(type: Type, inFile: FileField, expression: string, depth = 0): string {
  if (!hasStruct(type)) return expression;
  const [first, second] = inFile.children;
  const item = `x${depth}`;
  const orNull = (value: string) => `CASE WHEN ${expression} IS NULL THEN NULL ELSE ${value} END`;
  if (type.kind === "struct") {
    const parts = type.fields.map((field) => {
      const child = inFile.children.find((candidate) => fieldOf([field], candidate) !== null);
      const value =
        child === undefined
          ? `NULL::${duckDBType(field.type)}`
          : rebuild(field.type, child, `${expression}.${quoteIdentifier(child.name)}`, depth + 1);
      return `${quoteIdentifier(field.name)}: ${value}`;
    });
    return orNull(`{${parts.join(", ")}}`);
  }
  if (type.kind === "list" && first !== undefined) {
    return `list_transform(${expression}, lambda ${item}: ${rebuild(type.element, first, item, depth + 1)})`;
  }
  if (type.kind === "map" && first !== undefined && second !== undefined) {
    const key = rebuild(type.key, first, `${item}.key`, depth + 1);
    const value = rebuild(type.value, second, `${item}.value`, depth + 1);
    const entries = `list_transform(map_entries(${expression}), lambda ${item}: {key: ${key}, value: ${value}})`;
    return orNull(`map_from_entries(${entries})`);
  }
  return expression;
}

export function hasStruct(type: Type): boolean {
  switch (type.kind) {
    case "struct":
      return true;
    case "list":
      return hasStruct(type.element);
    case "map":
      return hasStruct(type.key) || hasStruct(type.value);
    default:
      return false;
  }
}

function readsRight(type: Type, inFile: FileField): boolean {
  const [first, second] = inFile.children;
  if (type.kind === "struct") {
    if (inFile.shape !== "struct") return true;
    return inFile.children.every((child) => {
      const byName = type.fields.find((field) => sameName(field.name, child.name)) ?? null;
      const field = fieldOf(type.fields, child);
      if (field === null) return byName === null;
      return field.name === child.name && readsRight(field.type, child);
    });
  }
  if (type.kind === "list") return first === undefined || readsRight(type.element, first);
  if (type.kind !== "map" || first === undefined || second === undefined) return true;
  return readsRight(type.key, first) && readsRight(type.value, second);
}

/** By id; a file without ids (written by a program that knows none) is matched by name. */
function fieldOf(fields: readonly Field[], child: FileField): Field | null {
  const found = fields.find((field) =>
    child.id === null ? sameName(field.name, child.name) : field.id === child.id,
  );
  return found ?? null;
}

function anyChild(inFile: FileField): string {
  const leaf = inFile.children.find((child) => child.shape === "leaf");
  return `${quoteIdentifier(leaf?.name ?? "none")} VARCHAR`;
}

function sameName(a: string, b: string): boolean {
  return a.toLowerCase() === b.toLowerCase();
}

/** An element of a schema, with what the engine alone says of it. */
type ShapeRow = SchemaRow & { readonly type: string | null };

/** Of files whose footers are read here; the others are for the engine. */
async function readShapes(db: DuckDB, paths: readonly string[]): Promise<void> {
  const unknown = paths.filter((path) => !shapesByPath.has(path));
  if (unknown.length === 0) return;
  if (shapesByPath.size + unknown.length > SHAPES_KEPT_MAX) {
    shapesByPath.clear();
    unknown.splice(0, unknown.length, ...paths);
  }
  const { fileFooters } = await import("../decode/parquet/file-footer.ts");
  const { footers, left } = fileFooters(unknown);
  for (const [path, { schema }] of footers) {
    shapesByPath.set(path, shapesOf(schema.map((row) => ({ ...row, type: null }))));
  }
  for (const [path, shapes] of await engineShapes(db, left)) shapesByPath.set(path, shapes);
}

async function engineShapes(
  db: DuckDB,
  paths: readonly string[],
): Promise<ReadonlyMap<string, readonly FileField[]>> {
  if (paths.length === 0) return new Map();
  const rows = await db.rows(
    `SELECT file_name, name, field_id, num_children, repetition_type = 'REPEATED' AS repeated,
       coalesce(converted_type, '') LIKE 'MAP%' AS is_map, duckdb_type
     FROM parquet_schema(${quoteFileList(paths)})`,
  );
  const byPath = new Map<string, ShapeRow[]>();
  for (const row of rows) {
    const path = String(row.file_name);
    const list = byPath.get(path) ?? [];
    const id = row.field_id;
    list.push({
      name: String(row.name),
      id: id === null ? null : Number(id),
      children: Number(row.num_children ?? 0),
      repeated: row.repeated === true,
      isMap: row.is_map === true,
      type: row.duckdb_type === null ? null : String(row.duckdb_type),
    });
    byPath.set(path, list);
  }
  return new Map([...byPath].map(([path, list]) => [path, shapesOf(list)] as const));
}

/** Rows come in preorder, the root first. */
function shapesOf(rows: readonly ShapeRow[]): readonly FileField[] {
  let at = 0;
  const read = (): { readonly row: ShapeRow | undefined; readonly field: FileField } => {
    const row = rows[at++];
    const children = Array.from({ length: row?.children ?? 0 }, read);
    return { row, field: shapeOf(row, children) };
  };
  return read().field.children;
}

function shapeOf(
  row: ShapeRow | undefined,
  parts: readonly { readonly row: ShapeRow | undefined; readonly field: FileField }[],
): FileField {
  const isLeaf = parts.length === 0 && row?.repeated === false;
  const leafType = isLeaf ? (row?.type ?? null) : null;
  const own = { id: row?.id ?? null, name: row?.name ?? "", leafType };
  const children = parts.map((part) => part.field);
  const [only] = parts;
  if (children.length === 0) return { ...own, shape: "leaf", children };
  if (parts.length !== 1 || only?.row?.repeated !== true)
    return { ...own, shape: "struct", children };
  const isMap = only.field.children.length === 2 && row?.isMap === true;
  if (isMap) return { ...own, shape: "map", children: only.field.children };
  // Three levels: list, repeated group, element; two levels: the repeated group is the element.
  const element = only.field.children.length === 1 ? only.field.children : [only.field];
  return { ...own, shape: "list", children: element };
}

/**
 * Where a recorded path is opened. It is recorded under the root that the table was written at, which the data files
 * tell: the lake may have been moved since.
 */
export function localPath(scan: Scan, recorded: string): string {
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
