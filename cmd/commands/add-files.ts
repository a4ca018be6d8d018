/** `tarn add-files`: Parquet files that others wrote into a table, without writing a row of them anew. */

import { readdirSync, statSync } from "node:fs";
import { join, resolve } from "node:path";
import { ioError, LakeError } from "../../core/base/errors.ts";
import { defineTool } from "../command.ts";
import type { AskedFile } from "../lake/add-files.ts";
import { openSession } from "../open.ts";
import { onEngine } from "../serve/engine-command.ts";
import { runAddFiles } from "./add-files-run.ts";

export const command = defineTool({
  name: "add-files",
  description: "Take Parquet files into a table as they are: columns are found by their names.",
  args: {
    link: {
      type: "boolean",
      description:
        "second names in place of copies: for files that nobody ever writes into, on the same disk",
    },
    again: {
      type: "boolean",
      description: "also files that were added before: none of their rows are there any more",
    },
  },
  examples: ["tarn add-files gold.prices export/*.parquet", "tarn add-files gold.prices export"],
  async run(invocation) {
    const { args } = invocation;
    // parse: every word that is no flag is in `_`
    const [table, ...paths] = args._ as readonly string[]; // parse: see above
    if (table === undefined || paths.length === 0) {
      throw new LakeError("usage", "add-files needs a table, and files or folders", {
        hint: "tarn add-files gold.prices export/*.parquet",
      });
    }
    const files = paths.flatMap(filesAt);
    const staged = await (async () => {
      await using session = await openSession(invocation, { engine: null });
      const { stageFiles } = await import("../lake/add-files.ts");
      return await stageFiles(session, {
        table,
        files,
        link: args.link === true,
        again: args.again === true,
      });
    })();
    return await onEngine(invocation, "add-files", runAddFiles, staged);
  },
});

/** A file, or the Parquet files of a folder and of those in it. */
function filesAt(path: string): readonly AskedFile[] {
  const full = resolve(path);
  try {
    if (!statSync(full).isDirectory()) return [{ path: full, shown: path }];
  } catch (thrown) {
    throw ioError(thrown, "read", path);
  }
  const names = readdirSync(full, { recursive: true, encoding: "utf8" }).sort();
  const isHidden = (name: string): boolean => name.split("/").some((part) => /^[._]/.test(part));
  const files = names.filter((name) => name.endsWith(".parquet") && !isHidden(name));
  if (files.length > 0) {
    return files.map((name) => ({ path: join(full, name), shown: join(path, name) }));
  }
  throw new LakeError("input", `${path} holds no Parquet files`, { hint: "name one that does" });
}
