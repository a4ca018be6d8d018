/** `tarn drop`: a table taken out of the lake. */

import { LakeError } from "../../core/base/errors.ts";
import { defineTool } from "../command.ts";
import { EXIT } from "../exit.ts";
import { type DropAsked, dropOf } from "../lake/drop.ts";
import { type EngineCommand, onEngine } from "../serve/engine-command.ts";

export const runDrop: EngineCommand<DropAsked> = async (session, args, terminal) => {
  const { tables, commit, readers } = await dropOf(session, args);
  if (terminal.json) {
    terminal.document({
      schema: "tarn.drop/1",
      tables: [...tables],
      commit,
      readers: [...readers],
    });
    return EXIT.ok;
  }
  terminal.line(`${tables.join(" and ")} dropped, commit ${commit}`);
  if (readers.length > 0) {
    terminal.note(`${readers.join(", ")} read it, and cannot be built until they do not`);
  }
  terminal.note(`it can be brought back while past snapshots are kept: tarn restore ${tables[0]}`);
  return EXIT.ok;
};

export const command = defineTool({
  name: "drop",
  description: "Take a table that nothing makes any more out of the lake, with what it set aside.",
  args: {
    force: { type: "boolean", description: "even while models read it, or with rows that landed" },
  },
  examples: ["tarn drop silver.old_orders", "tarn restore silver.old_orders"],
  run: (invocation) => {
    const [table] = invocation.args._;
    if (table === undefined) {
      throw new LakeError("usage", "drop needs a table", { hint: "see: tarn ls" });
    }
    return onEngine(invocation, "drop", runDrop, { table, force: invocation.args.force === true });
  },
});
