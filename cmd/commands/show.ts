/** `tarn show`: the first rows of a table, a moment of it, or a model that is not built yet. */

import { resolve } from "node:path";
import { LakeError } from "../../core/base/errors.ts";
import { defineTool } from "../command.ts";
import { showQuery } from "../lake/show.ts";
import { openSession } from "../open.ts";

const ROWS_SHOWN = 20;

export const command = defineTool({
  name: "show",
  description: "First rows of a table, of a moment of it, or of a model as its query stands now.",
  args: {
    limit: { type: "string", default: String(ROWS_SHOWN), valueHint: "N", description: "rows" },
    where: { type: "string", valueHint: "SQL", description: "only rows for which this holds" },
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
    const { where = null, model = false } = args;
    const query = await (async () => {
      await using session = await openSession(invocation, { engine: null });
      return await showQuery(session, { table, limit, where, model });
    })();
    const { runQuery } = await import("../shell/sql.ts");
    return runQuery({ folder: resolve(invocation.folder), sql: query, terminal, args });
  },
});
