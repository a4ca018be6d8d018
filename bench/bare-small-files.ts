/** Every file of a folder copied durably, then all of them in one COPY. Usage: bare-small-files.ts FOLDER OUTPUT. */

import { readdirSync } from "node:fs";
import * as fs from "node:fs/promises";
import { join } from "node:path";
import { DuckDBInstance } from "@duckdb/node-api";
import { quoteFileList, quoteTargetPath } from "../sql/syntax/quote.ts";
import { inLanes } from "../tests/crash/seeded.ts";
import { SAME_OPTIONS } from "./copy.ts";
import { COLUMNS } from "./data.ts";

/** As many at once as the engine's own disk work. */
const LANES = 16;

const [folder, output] = process.argv.slice(2);
if (folder === undefined || output === undefined) throw new Error("usage: … FOLDER OUTPUT");
const names = readdirSync(folder).sort();
await inLanes(names, LANES, async (name) => {
  await fs.copyFile(join(folder, name), join(output, name));
  await sync(join(output, name));
});
await sync(output);
const instance = await DuckDBInstance.create(":memory:");
const connection = await instance.connect();
const columns = Object.entries(COLUMNS).map(([name, type]) => `'${name}': '${type}'`);
const list = quoteFileList(names.map((name) => join(output, name)));
const source = `read_json(${list}, format = 'newline_delimited', columns = {${columns.join(", ")}})`;
const target = join(output, "all.parquet");
await connection.run(`copy (from ${source}) to ${quoteTargetPath(target)} (${SAME_OPTIONS})`);
await sync(target);

async function sync(path: string) {
  const handle = await fs.open(path, "r");
  await handle.sync();
  await handle.close();
}
