/** How many values the columns of decoded files hold, NULL not counted. */

import type { DecodeRequest, StagedFile } from "../../core/engine.ts";
import type { DuckDB } from "../duckdb/duckdb.ts";
import { quoteFileList, quoteIdentifier } from "../syntax/quote.ts";
import { sourceColumns } from "./target-columns.ts";

/** By the name of the column, of those that files fill. */
export async function columnValues(
  db: DuckDB,
  request: DecodeRequest,
  staged: readonly StagedFile[],
): Promise<Readonly<Record<string, number>>> {
  const names = sourceColumns(request).map(({ field }) => field.name);
  if (staged.length === 0 || names.length === 0) return {};
  const counts = names.map((name, index) => `count(${quoteIdentifier(name)}) AS v${index}`);
  const files = quoteFileList(staged.map(({ path }) => path));
  const from = `read_parquet(${files}, hive_partitioning = false)`;
  const [row] = await db.rows(`SELECT ${counts.join(", ")} FROM ${from}`);
  return Object.fromEntries(names.map((name, index) => [name, Number(row?.[`v${index}`] ?? 0)]));
}
