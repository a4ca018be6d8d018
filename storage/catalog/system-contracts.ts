/** `lake.contracts`: every column of every version of every contract, with the commit that brought it. */

import { classificationOf, docOf } from "../../core/contract/notes.ts";
import { typeToText } from "../../core/table/type-text.ts";
import { contractFromJson } from "./contract-json.ts";
import { int, long, longOrNull, text } from "./database.ts";
import { partsOf } from "./history.ts";
import { columns, iso, type SystemTableMaker } from "./system-column.ts";

export const CONTRACTS: SystemTableMaker = {
  columns: columns(
    "source",
    "version long",
    "table_schema",
    "table_name",
    "committed_at timestamptz",
    "commit_number long",
    "batch",
    "withdrawn_by long",
    "position long",
    "column_name",
    "field",
    "type",
    "required boolean",
    "declared boolean",
    "seen boolean",
    "description",
    "classification",
  ),
  read: async ({ store }, only) => {
    const sql = `SELECT c.source, c.version, c.contract, c.batch, b.table_name, b.commit_number,
        b.withdrawn_by, k.time_ms
      FROM lake_contracts c JOIN lake_batches b USING (batch)
        JOIN lake_commits k ON k.number = b.commit_number
      ORDER BY c.source, c.version, b.commit_number`;
    const rows = await store.read(() => store.db.all(sql));
    return rows
      .filter((row) => only === null || row.table_name === only)
      .flatMap((row) => {
        const { namespace, table } = partsOf(text(row, "table_name"));
        const of = [
          text(row, "source"),
          long(row, "version"),
          namespace,
          table,
          iso(int(row, "time_ms")),
          long(row, "commit_number"),
          text(row, "batch"),
          longOrNull(row, "withdrawn_by"),
        ];
        return contractFromJson(text(row, "contract")).columns.map((column, index) => [
          ...of,
          BigInt(index + 1),
          column.name,
          column.source,
          typeToText(column.type),
          column.required,
          column.declared,
          !column.unseen,
          docOf(column),
          classificationOf(column),
        ]);
      });
  },
};
