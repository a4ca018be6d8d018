/** Whether files say of a column what the folders say that they lie in. */

import type { DecodeRequest, FileFault, StagedFile } from "../../core/engine.ts";
import { typeToText } from "../../core/table/type-text.ts";
import type { DuckDB } from "../duckdb/duckdb.ts";
import { duckDBType } from "../duckdb/types.ts";
import { quoteFileList, quoteIdentifier, quoteLiteral } from "../syntax/quote.ts";
import { type FolderFill, fillsOf } from "./folders.ts";
import type { Prepared } from "./prepared.ts";
import { findName } from "./target-columns.ts";
import { Unreadable } from "./unreadable.ts";

/** What a file and its folders do not agree about, found in what was written. */
export type FolderVerdict =
  | { readonly kind: "fault"; readonly fault: FileFault }
  /** Folders that rows have no value beside, and whose text their columns do not hold. */
  | { readonly kind: "misfits"; readonly names: readonly string[] };

/** Folders whose text no value of their column is, where the file is known not to have that column itself. */
export function unfitFolders(request: DecodeRequest, prepared: Prepared): readonly FolderFill[] {
  return fillsOf(request, prepared.file.name).filter(({ fits, folder, column: { decode } }) => {
    const isAwaited = decode.awaits !== undefined && folder.text !== null;
    return (isAwaited || !fits) && !mayHave(prepared, decode.source);
  });
}

/** Throws Unreadable for the first that is not to be reported. */
export function refuseUnfit(request: DecodeRequest, fills: readonly FolderFill[]): void {
  const { onFirst, onMisfit } = request;
  const refused = fills.find(({ column: { decode } }) =>
    decode.awaits === undefined ? onMisfit !== "report" : onFirst !== "report",
  );
  if (refused !== undefined) throw new Unreadable("folder", unfitMessage(refused));
}

/**
 * The files of a group that contradict their folders, by their names. A column that a file has itself counts where its
 * folder says the same; where a row has no value, its folder's is taken.
 */
export async function checkFolders(
  db: DuckDB,
  request: DecodeRequest,
  files: readonly Prepared[],
  staged: readonly StagedFile[],
): Promise<ReadonlyMap<string, FolderVerdict>> {
  const byColumn = new Map<string, { readonly file: string; readonly fill: FolderFill }[]>();
  for (const prepared of files) {
    for (const fill of fillsOf(request, prepared.file.name)) {
      if (!mayHave(prepared, fill.column.decode.source)) continue;
      const { name } = fill.column.field;
      byColumn.set(name, [...(byColumn.get(name) ?? []), { file: prepared.file.name, fill }]);
    }
  }
  const verdicts = new Map<string, FolderVerdict>();
  if (staged.length === 0) return verdicts;
  for (const [column, fills] of byColumn) {
    const found = await differences(db, column, fills, staged);
    for (const { file, fill } of fills) {
      const one = found.get(file);
      if (one === undefined || verdicts.get(file)?.kind === "fault") continue;
      const verdict = verdictOf(request, fill, one, verdicts.get(file));
      if (verdict !== null) verdicts.set(file, verdict);
    }
  }
  return verdicts;
}

interface Difference {
  /** Some rows have no value. */
  readonly isOpen: boolean;
  /** A value that is not what the folder says; null: there is none. */
  readonly other: string | null;
}

/** False where the names of a file are known, and this is none of them. */
function mayHave({ header, names }: Prepared, source: string): boolean {
  const known = header ?? names;
  return known.length === 0 || findName(known, source) >= 0;
}

async function differences(
  db: DuckDB,
  column: string,
  fills: readonly { readonly file: string; readonly fill: FolderFill }[],
  staged: readonly StagedFile[],
): Promise<ReadonlyMap<string, Difference>> {
  const rows = fills.map(({ file, fill }) => {
    const text = fill.folder.text === null ? "NULL" : quoteLiteral(fill.folder.text);
    return `(${quoteLiteral(file)}, ${text}::VARCHAR)`;
  });
  const [first] = fills;
  if (first === undefined) return new Map();
  const own = quoteIdentifier(column);
  const said = `TRY_CAST(said AS ${duckDBType(first.fill.column.field.type)})`;
  // What is text by now for other files' sake: 1 is what the folder 01 says.
  const alike = `coalesce(TRY_CAST(${own}::VARCHAR AS HUGEINT) = TRY_CAST(said AS HUGEINT), FALSE)`;
  const differs = `${own} IS NOT NULL AND ${own} IS DISTINCT FROM ${said} AND NOT ${alike}`;
  const found = await db.rows(
    `SELECT drops.file AS file, bool_or(${own} IS NULL) AS is_open,
      any_value(left(${own}::VARCHAR, 100)) FILTER (WHERE ${differs}) AS other
     FROM read_parquet(${quoteFileList(staged.map(({ path }) => path))}, hive_partitioning = false)
     JOIN (VALUES ${rows.join(", ")}) AS drops (file, said) ON _source_file = drops.file
     GROUP BY drops.file`,
  );
  return new Map(
    found.map((row) => {
      const other = row.other === null ? null : String(row.other);
      return [String(row.file), { isOpen: row.is_open === true, other }];
    }),
  );
}

function verdictOf(
  request: DecodeRequest,
  fill: FolderFill,
  { isOpen, other }: Difference,
  before: FolderVerdict | undefined,
): FolderVerdict | null {
  const { name } = fill.column.field;
  if (other !== null) {
    const value = request.redacted ? "something else" : `"${other}"`;
    const message = `${name} is ${value} in it, and its folder says ${fill.folder.written}`;
    return { kind: "fault", fault: { reason: "folder", message } };
  }
  if (fill.fits || !isOpen) return null;
  if (request.onMisfit !== "report") {
    return { kind: "fault", fault: { reason: "folder", message: unfitMessage(fill) } };
  }
  const names = before?.kind === "misfits" ? before.names : [];
  return { kind: "misfits", names: [...names, fill.folder.name] };
}

function unfitMessage({ folder, column }: FolderFill): string {
  const { name, type } = column.field;
  const what = column.decode.awaits === undefined ? typeToText(type) : "value where none was";
  return `its folder ${folder.written} is not exactly a ${what} of ${name}`;
}
