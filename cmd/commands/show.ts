/** `tarn show`: the first rows of a table, a moment of it, or a model that is not built yet. */

import { resolve } from "node:path";
import { LakeError } from "../../core/base/errors.ts";
import { defineTool, type Terminal } from "../command.ts";
import { EXIT } from "../exit.ts";
import { columnsOfTable, type ShownColumn, showQuery } from "../lake/show.ts";
import { openSession } from "../open.ts";
import { printable } from "../render/style.ts";

const ROWS_SHOWN = 20;

export const command = defineTool({
  name: "show",
  description: "First rows of a table, of a moment of it, or of a model as its query stands now.",
  args: {
    limit: { type: "string", default: String(ROWS_SHOWN), valueHint: "N", description: "rows" },
    where: { type: "string", valueHint: "SQL", description: "only rows for which this holds" },
    columns: { type: "boolean", description: "its columns, with what is said of them, for rows" },
    model: { type: "boolean", description: "run the model's query instead of reading its table" },
  },
  examples: ["tarn show silver.orders", "tarn show orders@-1 --where 'amount > 100'"],
  async run(invocation) {
    const { args, terminal } = invocation;
    const [table] = args._;
    if (table === undefined) {
      throw new LakeError("usage", "show needs a table or a model", { hint: "see: tarn ls" });
    }
    const limit = Number(args.limit);
    if (!Number.isInteger(limit) || limit < 0) {
      throw new LakeError("usage", `--limit ${args.limit} is not a count`);
    }
    if (args.columns === true) {
      await using session = await openSession(invocation, { engine: null });
      for (const column of await columnsOfTable(session, table)) printColumn(terminal, column);
      return EXIT.ok;
    }
    const { where = null, model = false } = args;
    const query = await (async () => {
      await using session = await openSession(invocation, { engine: null });
      return await showQuery(session, { table, limit, where, model });
    })();
    const { runQuery } = await import("../shell/sql.ts");
    return runQuery({ folder: resolve(invocation.folder), sql: query, terminal, args });
  },
});

function printColumn(terminal: Terminal, column: ShownColumn): void {
  if (terminal.json) terminal.document({ ...column });
  else {
    const { name, type, required, doc } = column;
    const said = [...(required ? ["required"] : []), ...(doc === null ? [] : [doc])].join(" · ");
    terminal.line(printable(`${name.padEnd(24)} ${type.padEnd(20)} ${said}`).trimEnd());
  }
}
