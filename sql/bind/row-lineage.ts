/** The columns of row lineage: as they are stored, else counted from what a file's entry says. */

import { isLineage, ROW_ID_ID } from "../../core/table/system-columns.ts";
import type { Field, Scan } from "../../core/table/types.ts";
import { quoteIdentifier, quoteLiteral } from "../syntax/quote.ts";

export interface Lineage {
  /** To be joined to the files (alias `d`). */
  readonly join: string;
  /** A column over both; null for any other. */
  sqlOf(field: Field): string | null;
}

/**
 * The columns over a scan's files. A row without an id has that of its file's first row and its place behind; one that
 * says no sequence number was last changed where its file came from. NULL in files that have no ids yet.
 * Iceberg spec, "Row Lineage".
 */
export function lineageOf(scan: Scan): Lineage {
  const rows = scan.files.map(({ localPath, file }) => {
    const first = file.firstRowId ?? null;
    const sequence = first === null ? null : (file.dataSequenceNumber ?? null);
    return `(${quoteLiteral(localPath)}, ${first ?? "NULL"}, ${sequence ?? "NULL"})`;
  });
  return {
    join: `LEFT JOIN (VALUES ${rows.join(", ")}) AS rl(local, first, sequence) ON rl.local = d.filename`,
    sqlOf(field) {
      if (!isLineage(field)) return null;
      const counted = field.id === ROW_ID_ID ? "rl.first + d.file_row_number" : "rl.sequence";
      const value = `coalesce(d.c${field.id}, (${counted})::BIGINT)`;
      return `${value} AS ${quoteIdentifier(field.name)}`;
    },
  };
}
