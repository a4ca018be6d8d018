/**
 * One SELECT over Parquet files into one file, durable.
 * Usage: bare-copy.ts FILES_JSON SQL OUTPUT, with `events` for the files.
 */

import { closeSync, fsyncSync, openSync, readFileSync } from "node:fs";
import { DuckDBInstance } from "@duckdb/node-api";
import { quoteFileList, quoteTargetPath } from "../sql/syntax/quote.ts";
import { SAME_OPTIONS } from "./copy.ts";

const [list, sql, output] = process.argv.slice(2);
if (list === undefined || sql === undefined || output === undefined) {
  throw new Error("usage: bare-copy.ts FILES_JSON SQL OUTPUT");
}
const files: string[] = JSON.parse(readFileSync(list, "utf8"));
const instance = await DuckDBInstance.create(":memory:");
const connection = await instance.connect();
const source = `with events as (select * from read_parquet(${quoteFileList(files)}))`;
await connection.run(`copy (${source} ${sql}) to ${quoteTargetPath(output)} (${SAME_OPTIONS})`);
const file = openSync(output, "r");
fsyncSync(file);
closeSync(file);
