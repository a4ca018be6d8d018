/**
 * One query by DuckDB alone, in a process of its own.
 * Usage: bare-query.ts FILES_JSON SQL, with `events` for the files.
 */

import { readFileSync } from "node:fs";
import { DuckDBInstance } from "@duckdb/node-api";
import { quoteFileList } from "../sql/syntax/quote.ts";

const [list, sql] = process.argv.slice(2);
if (list === undefined || sql === undefined) throw new Error("usage: bare-query.ts FILES_JSON SQL");
const files: string[] = JSON.parse(readFileSync(list, "utf8"));
const instance = await DuckDBInstance.create(":memory:");
const connection = await instance.connect();
await connection.run("set timezone = 'UTC'");
const source = `with events as (select * from read_parquet(${quoteFileList(files)}))`;
const result = await connection.runAndReadAll(`${source} ${sql}`);
for (const row of result.getRowsJson()) console.log(JSON.stringify(row));
