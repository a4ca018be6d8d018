/** A file given on the command line as a table of the session. */

import { LakeError } from "../../core/base/errors.ts";
import { own } from "../../core/base/own.ts";
import { namePartFrom } from "../../core/table/name.ts";
import { quoteFilePath } from "../syntax/quote.ts";

const READERS: Readonly<Record<string, string>> = {
  csv: "read_csv",
  tsv: "read_csv",
  txt: "read_csv",
  json: "read_json",
  jsonl: "read_json",
  ndjson: "read_json",
  parquet: "read_parquet",
};

/** The table's name (the file's stem) and the query that reads it. Throws `unsupported` for other formats. */
export function fileTableSql(path: string): { readonly name: string; readonly sql: string } {
  const base = path.slice(path.lastIndexOf("/") + 1);
  const plain = base.replace(/\.(gz|zst)$/i, "");
  const dot = plain.lastIndexOf(".");
  const ending = dot < 0 ? "" : plain.slice(dot + 1).toLowerCase();
  const reader = own(READERS, ending);
  if (reader === undefined) {
    throw new LakeError("unsupported", `${base} cannot be queried as it is`, {
      hint: `${Object.keys(READERS).join(", ")} files can; land others first: tarn load ${base}`,
    });
  }
  const name = namePartFrom(dot <= 0 ? plain : plain.slice(0, dot));
  return { name, sql: `SELECT * FROM ${reader}(${quoteFilePath(path)})` };
}
