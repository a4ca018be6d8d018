/** A folder of Parquet files, with folders in it that name values as Hive does: one table, partitioned by them. */

import { readdirSync } from "node:fs";
import { basename, join } from "node:path";
import { LakeError } from "../../core/base/errors.ts";
import { escapeGlob, quoteIdentifier, quoteLiteral } from "../../sql/syntax/quote.ts";
import type { Ask, Foreign, Prepared } from "./foreign.ts";

/** Throws `input` for a folder without Parquet files. */
export async function openFolder(path: string): Promise<Foreign> {
  const all = readdirSync(path, { recursive: true, encoding: "utf8" }).sort();
  const isHidden = (name: string): boolean => name.split("/").some((part) => /^[._]/.test(part));
  const files = all.filter((name) => name.endsWith(".parquet") && !isHidden(name));
  if (files.length === 0) {
    throw new LakeError("input", `${path} holds no Parquet files`, {
      hint: "folders of other files land as a source: put them under drops/, or: tarn load",
    });
  }
  const columns = keysOf(files);
  const name = basename(path);
  const others = all.filter((one) => /\.(csv|json|jsonl|orc|avro)(\.\w+)?$/i.test(one));
  return {
    kind: "parquet",
    tables: [{ name, plain: name, prepare: (ask) => prepare(path, files, columns, ask) }],
    left: others.map((one) => `file ${one}`),
  };
}

/** `day=2026-11-20/country=at` names day and country, in every file. Throws `input` where files differ in that. */
function keysOf(files: readonly string[]): readonly string[] {
  const [first = ""] = files;
  const keys = (file: string): string =>
    file
      .split("/")
      .slice(0, -1)
      .flatMap((part) => /^([^=]+)=/.exec(part)?.[1] ?? [])
      .join(",");
  const other = files.find((file) => keys(file) !== keys(first));
  if (other !== undefined) {
    throw new LakeError("input", `${other} lies in other folders than ${first}`, {
      hint: "folders named column=value must be the same all over: import them one by one",
    });
  }
  return keys(first)
    .split(",")
    .filter((key) => key !== "");
}

async function prepare(
  path: string,
  files: readonly string[],
  keys: readonly string[],
  ask: Ask,
): Promise<Prepared> {
  const list = files.map((file) => quoteLiteral(escapeGlob(join(path, file)))).join(", ");
  // Types of folders are not guessed: 007 is a text.
  const from =
    `read_parquet([${list}], union_by_name = true, hive_partitioning = ${keys.length > 0}, ` +
    "hive_types_autocast = false)";
  const notes: string[] = [];
  const casts: string[] = [];
  for (const key of keys) {
    const column = quoteIdentifier(key);
    for (const type of ["BIGINT", "DATE"]) {
      const other = `${column} IS NOT NULL AND try_cast(${column} AS ${type})::VARCHAR IS DISTINCT FROM ${column}`;
      const [row] = await ask(
        `SELECT count(*) FILTER (${other}) AS n, count(${column}) AS c FROM ${from}`,
      );
      if (Number(row?.n ?? 1) > 0 || Number(row?.c ?? 0) === 0) continue;
      casts.push(`${column}::${type} AS ${column}`);
      notes.push(`${key}: ${type.toLowerCase()} out of its folders`);
      break;
    }
  }
  const replacing = casts.length === 0 ? "" : ` REPLACE (${casts.join(", ")})`;
  return { sql: `SELECT *${replacing} FROM ${from}`, partitionedBy: keys, notes };
}
