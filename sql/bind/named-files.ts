/** Files without field ids, read by the names that their table maps. Iceberg spec, "Column Projection". */

import type { NamedField, Scan, Schema } from "../../core/table/types.ts";
import type { DuckDB } from "../duckdb/duckdb.ts";
import { duckDBType } from "../duckdb/types.ts";
import { quoteFileList, quoteIdentifier } from "../syntax/quote.ts";
import { type FileField, fileFields, rebuild } from "./nested.ts";

export interface NamedFiles {
  /** A subquery with columns called `c<field id>`, as files with ids are read, beside the reader's own. */
  readonly source: string;
  readonly paths: readonly string[];
}

/** Those of a scan that have no ids, by which of the columns they have; the others are read by id. */
export async function namedFiles(
  db: DuckDB,
  { files, names = [] }: Scan,
  schema: Schema,
): Promise<readonly NamedFiles[]> {
  const groups = new Map<string, { readonly items: readonly string[]; readonly paths: string[] }>();
  for (const { localPath } of files) {
    const inFile = await fileFields(db, localPath);
    if (inFile.some(({ id }) => id !== null)) continue;
    const own = new Map<number, FileField>();
    const items = schema.fields.map(({ id, type }) => {
      const known = names.filter((one) => one.id === id);
      const found = inFile.find(({ name }) => known.some((one) => one.name === name));
      if (found === undefined) return `NULL::${duckDBType(type)} AS c${id}`;
      const field = withIds(found, known[0]?.inside ?? []);
      own.set(id, field);
      return `${rebuild(type, field, quoteIdentifier(found.name))}::${duckDBType(type)} AS c${id}`;
    });
    // The reader takes the types of its first file for those of all.
    const key = `${items.join()} ${JSON.stringify([...own])}`;
    const group = groups.get(key) ?? { items, paths: [] };
    group.paths.push(localPath);
    groups.set(key, group);
  }
  return [...groups.values()].map(({ items, paths }) => {
    const from = `read_parquet(${quoteFileList(paths)}, hive_partitioning = false)`;
    return {
      source: `(SELECT ${[...items, "filename", "file_row_number"].join(", ")} FROM ${from})`,
      paths,
    };
  });
}

/** What is in a column, with the ids that its names have; by names alone where the table maps none. */
function withIds(inFile: FileField, names: readonly NamedField[]): FileField {
  if (names.length === 0) return inFile;
  const children = inFile.children.map((child, index) => {
    // Writers call elements, keys and values as they like.
    const isStruct = inFile.shape === "struct";
    const found = isStruct ? names.find(({ name }) => name === child.name) : names[index];
    return { ...withIds(child, found?.inside ?? []), id: found?.id ?? NO_FIELD };
  });
  return { ...inFile, children };
}

/** No column has it. */
const NO_FIELD = -1;
