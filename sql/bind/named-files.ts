/** Files without field ids, read by the names that their table maps. Iceberg spec, "Column Projection". */

import type { Scan, Schema } from "../../core/table/types.ts";
import type { DuckDB } from "../duckdb/duckdb.ts";
import { duckDBType } from "../duckdb/types.ts";
import { quoteFileList, quoteIdentifier } from "../syntax/quote.ts";
import { fileFields } from "./nested.ts";

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
    const items = schema.fields.map(({ id, type }) => {
      const known = names.filter((one) => one.id === id).map(({ name }) => name);
      const own = inFile.find(({ name }) => known.includes(name));
      const value = own === undefined ? "NULL" : quoteIdentifier(own.name);
      return `${value}::${duckDBType(type)} AS c${id}`;
    });
    const key = items.join();
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
