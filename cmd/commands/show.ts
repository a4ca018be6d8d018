/** `tarn show`: the first rows of a table, a moment of it, or a model that is not built yet. */

import { resolve } from "node:path";
import { LakeError } from "../../core/base/errors.ts";
import { quoteIdentifier } from "../../sql/syntax/quote.ts";
import { defineTool } from "../command.ts";
import { splitVersion } from "../lake/version-ref.ts";
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
    const [asked] = args._;
    if (asked === undefined) {
      throw new LakeError("usage", "show needs a table or a model", { hint: "see: tarn ls" });
    }
    const limit = Number(args.limit);
    if (!Number.isInteger(limit) || limit < 0) {
      throw new LakeError("usage", `--limit ${args.limit} is not a count`);
    }
    const query = await (async () => {
      await using session = await openSession(invocation, { engine: null });
      const { name, version } = splitVersion(asked);
      const table = await session.tableName(name);
      const model = session.project.models.find((candidate) => candidate.name === table);
      const exists = (await session.catalog.load(table)) !== null;
      const fromModel = args.model === true || (!exists && model !== undefined);
      const [namespace = "", last = ""] = table.split(".");
      const at = version === null ? "" : `@${version}`;
      const rows =
        fromModel && model !== undefined
          ? `(${model.sql.trim().replace(/;\s*$/, "")}\n) as model_query`
          : `${quoteIdentifier(namespace)}.${quoteIdentifier(last)}${at}`;
      const where = args.where === undefined ? "" : ` where ${args.where}`;
      return `select * from ${rows}${where} limit ${limit}`;
    })();
    const { runQuery } = await import("../shell/sql.ts");
    return runQuery({ folder: resolve(invocation.folder), sql: query, terminal, args });
  },
});
