/** `tarn import`: tables of a DuckDB or SQLite file, or a folder of Parquet files, as tables of one's own. */

import { LakeError } from "../../core/base/errors.ts";
import { counted } from "../../core/base/quantity.ts";
import { defineTool } from "../command.ts";
import { EXIT } from "../exit.ts";

const DONE = {
  made: "",
  replaced: ", in place of what it held",
  appended: " more",
  unchanged: "its source is as it was imported: nothing to do",
} as const;

export const command = defineTool({
  name: "import",
  description: "Make tables of a DuckDB or SQLite file, or of a folder of Parquet files.",
  args: {
    into: {
      type: "string",
      valueHint: "LAYER",
      description: "the layer of the tables; bronze when absent",
    },
    as: { type: "string", valueHint: "NAME", description: "the name of the table, when it is one" },
    replace: {
      type: "boolean",
      description: "tables that are there hold the rows of now; their past stays",
    },
    append: { type: "boolean", description: "rows come on top of those of tables that are there" },
  },
  examples: [
    "tarn import shop.duckdb",
    "tarn import app.sqlite customers orders --into bronze",
    "tarn import exports/events --as events",
  ],
  async run(invocation) {
    const { terminal, args, signal } = invocation;
    // parse: every word that is no flag is in `_`
    const [path, ...tables] = args._ as readonly string[]; // parse: see above
    if (path === undefined) {
      throw new LakeError("usage", "import needs a file or a folder", {
        hint: "tarn import shop.duckdb; tarn import app.sqlite; tarn import folder-of-parquet",
      });
    }
    if (args.replace === true && args.append === true) {
      throw new LakeError("usage", "--replace and --append are two different things", {
        hint: "--replace: the rows of now alone; --append: on top of what is there",
      });
    }
    const mode = args.replace === true ? "replace" : args.append === true ? "append" : "refuse";
    const { importOf } = await import("../shell/import.ts");
    const layer = args.into ?? "bronze";
    const request = { path, tables, layer, as: args.as ?? null, mode } as const;
    const done = await importOf(invocation, request, signal);
    for (const { from, into, outcome, rows, notes } of done.tables) {
      if (terminal.json) {
        terminal.document({
          schema: "tarn.import/1",
          from,
          table: into,
          outcome,
          rows,
          notes: [...notes],
        });
        continue;
      }
      const what =
        outcome === "unchanged" ? DONE.unchanged : `${counted(rows, "row")}${DONE[outcome]}`;
      terminal.line(`${into}   ${what}`);
      for (const note of notes) terminal.note(`  ${note}`);
    }
    for (const one of done.left) terminal.note(`${one} is not imported`);
    return EXIT.ok;
  },
});
