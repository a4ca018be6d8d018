/** Columns that the folders `key=value` of a drop fill: each has one value in all rows of the file. */

import type { DecodeRequest, ObservedColumn } from "../../core/engine.ts";
import type { ReadOptions } from "../../core/ingest/contract.ts";
import { type FolderValue, folderValues } from "../../core/ingest/folders.ts";
import { duckDBType } from "../duckdb/types.ts";
import { quoteLiteral } from "../syntax/quote.ts";
import { TextColumn } from "./lossless/narrowest-type.ts";
import { textFits } from "./lossless/text-fit.ts";
import { findName, type SourceColumn, sourceColumns } from "./target-columns.ts";
import { Unreadable } from "./unreadable.ts";

/** The drops that one statement reads. */
export interface Drops {
  readonly files: readonly string[];
  /** SQL of the name of a row's drop. */
  readonly name: string;
  /** SQL of its place among `files`. */
  readonly index: string;
}

/** One of each name. Throws Unreadable where folders inside each other say different things. */
export function foldersOf(file: string, read: ReadOptions): readonly FolderValue[] {
  if (!read.folders) return [];
  const byName = new Map<string, FolderValue>();
  for (const folder of folderValues(file)) {
    const isNull = folder.text !== null && read.nulls.includes(folder.text);
    const value = isNull ? { ...folder, text: null } : folder;
    const key = folder.name.toLowerCase();
    const before = byName.get(key);
    if (before !== undefined && before.text !== value.text) {
      const both = `${before.written} and ${folder.written}`;
      throw new Unreadable("folder", `it lies in folders that contradict each other: ${both}`);
    }
    byName.set(key, before ?? value);
  }
  return [...byName.values()];
}

/** What a file holds, with what its folders say of columns that it does not have, or has no value of. */
export function withFolders(
  file: string,
  read: ReadOptions,
  columns: readonly ObservedColumn[],
): readonly ObservedColumn[] {
  const folders = foldersOf(file, read);
  if (folders.length === 0) return columns;
  const names = columns.map(({ name }) => name);
  const seen = [...columns];
  for (const folder of folders) {
    const at = findName(names, folder.name);
    const own = columns[at];
    if (own === undefined) seen.push({ name: folder.name, ...learned(folder) });
    else if (own.unseen) seen[at] = { ...own, ...learned(folder) };
  }
  return seen;
}

/** A column of the table that a folder of a file is called like. */
export interface FolderFill {
  readonly folder: FolderValue;
  readonly column: SourceColumn;
  /** Its text is exactly a value of the column, or says that there is none. */
  readonly fits: boolean;
}

/** A column that an expression makes something else of has what the file says: a path is no value to take out. */
export function fillsOf(request: DecodeRequest, file: string): readonly FolderFill[] {
  const folders = foldersOf(file, request.read);
  if (folders.length === 0) return [];
  const columns = sourceColumns(request);
  const sources = columns.map(({ decode }) => decode.source);
  return folders.flatMap((folder): FolderFill[] => {
    const column = columns[findName(sources, folder.name)];
    if (column === undefined || column.decode.expression !== null) return [];
    const fits = folder.text === null || textFits(column.field.type, folder.text);
    return [{ folder, column, fits }];
  });
}

/** SQL for the columns that folders of some of the drops fill, by the column's name: the value of each row's drop. */
export function folderSqlByName(request: DecodeRequest, drops: Drops): ReadonlyMap<string, string> {
  if (!request.read.folders) return NONE;
  const fills = drops.files.map((file) => fillsOf(request, file));
  const columns = new Map(fills.flat().map(({ column }) => [column.field.name, column]));
  const sqls = [...columns].map(([name, { field }]): [string, string] => {
    const type = duckDBType(field.type);
    const values = fills.map((each) => {
      const fill = each.find(({ column }) => column.field.name === name);
      // It is exactly a value of the type: a cast bends nothing.
      const text = fill === undefined || !fill.fits ? null : fill.folder.text;
      return text === null ? "NULL" : quoteLiteral(text);
    });
    const [first = "NULL"] = values;
    if (values.every((value) => value === first)) return [name, `CAST(${first} AS ${type})`];
    return [name, `list_extract([${values.join(", ")}]::${type}[], ${drops.index}::BIGINT + 1)`];
  });
  return new Map(sqls);
}

const NONE: ReadonlyMap<string, string> = new Map();

function learned({ text, written }: FolderValue): Omit<ObservedColumn, "name"> {
  const column = new TextColumn();
  if (text === null) return column.learned();
  column.add(text);
  return { ...column.learned(), first: `in the folder ${written}` };
}
