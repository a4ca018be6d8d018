/** The output columns of a query over bound tables, without reading a row; what was asked before is remembered. */

import { LakeError } from "../../core/base/errors.ts";
import type { Binding, Described, DescribeRequest } from "../../core/engine.ts";
import type { Column } from "../../core/table/types.ts";
import { bindSelect } from "../bind/bind.ts";
import { pathsOf } from "../bind/scan.ts";
import type { DuckDB } from "../duckdb/duckdb.ts";
import { icebergType } from "../duckdb/types.ts";
import { explained } from "../query/error.ts";
import type { WorkerContext } from "../worker/context.ts";
import { carryProvenance } from "./provenance.ts";

/**
 * Names and types of the output. Throws `sql` for a query that does not bind or has no name for a column, or one name
 * twice, `schema` for a type that no table can hold, `unsupported` when rows of `driver` cannot be followed.
 */
export async function describe(
  context: WorkerContext,
  request: DescribeRequest,
): Promise<Described> {
  const db = await context.open({
    allowedPaths: bindingPaths(request.bindings),
    allowedFolders: [],
    threads: 1,
    timezone: request.timezone,
  });
  const { sql, bindings, runTimeMs, driver } = request;
  if (driver !== null) {
    // Only to be told now what materialize would say later.
    await bindSelect(db, sql, bindings, { runTimeMs, rewrite: carryProvenance(driver) });
  }
  const bound = await bindSelect(db, sql, bindings, { runTimeMs });
  try {
    return { columns: await columnsOf(db, bound.sql) };
  } catch (thrown) {
    throw explained(bound.locate(thrown));
  }
}

/** Every file that the bindings name, through views. */
export function bindingPaths(bindings: readonly Binding[]): string[] {
  return bindings.flatMap((binding) =>
    binding.kind === "scan" ? pathsOf(binding.scan) : bindingPaths(binding.bindings),
  );
}

/** The columns of a bound query, checked to be the columns of a table. */
export async function columnsOf(db: DuckDB, boundSql: string): Promise<Column[]> {
  const rows = await db.rows(`DESCRIBE ${boundSql}`);
  const columns = rows.map((row): Column => {
    const name = String(row.column_name);
    return { name, type: icebergType(String(row.column_type), name) };
  });
  const seen = new Set<string>();
  for (const { name } of columns) {
    const key = name.toLowerCase();
    if (seen.has(key)) {
      throw new LakeError("sql", `the query gives two columns called ${name}`, {
        hint: `give one of them another name: … AS ${name}_2, or leave it out`,
        context: { column: name },
      });
    }
    seen.add(key);
  }
  return columns;
}
