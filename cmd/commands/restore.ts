/** `tarn restore`: a table set back to an older snapshot, as a new one. */

import { counted } from "../../core/base/count.ts";
import { LakeError } from "../../core/base/errors.ts";
import { defineTool } from "../command.ts";
import { EXIT } from "../exit.ts";
import { restoreOf } from "../lake/restore.ts";
import { type EngineCommand, onEngine } from "../serve/engine-command.ts";

export interface RestoreArgs {
  readonly table: string;
  readonly to: string;
}

export const runRestore: EngineCommand<RestoreArgs> = async (session, args, terminal) => {
  const restored = await restoreOf(session, args.table, args.to);
  const { table } = restored;
  if (terminal.json) {
    terminal.document({
      schema: "tarn.restore/1",
      table,
      commit: restored.commit,
      from_sequence: restored.fromSequence,
      to_sequence: restored.toSequence,
      withdrawn: [...restored.withdrawn],
      held: restored.held,
    });
    return EXIT.ok;
  }
  terminal.line(
    `${table}@${restored.fromSequence} now holds what @${restored.toSequence} held: ` +
      `${counted(restored.rows, "row")}, commit ${restored.commit}`,
  );
  if (restored.withdrawn.length > 0) {
    terminal.note(
      `${counted(restored.withdrawn.length, "batch", "batches")} withdrawn: the files are not landed again. ` +
        "Models below run full at the next build.",
    );
  }
  if (restored.held) {
    terminal.note(
      "builds leave it so until an input or its query changes, and then compute it anew; " +
        `to have that now: tarn build --full ${table}`,
    );
  }
  return EXIT.ok;
};

export const command = defineTool({
  name: "restore",
  description: "Set a table back to an older snapshot, as a new snapshot. Offsets never move.",
  args: {
    to: {
      type: "string",
      valueHint: "SNAP|TIME|TAG",
      description: "what it should hold again: @12, @-1, a time or a tag",
    },
  },
  examples: ["tarn restore silver.orders --to @-1", 'tarn restore orders --to "2026-11-20 09:00"'],
  run: (invocation) => {
    const [table] = invocation.args._;
    const { to } = invocation.args;
    if (table === undefined || to === undefined) {
      throw new LakeError("usage", "restore needs a table and --to", {
        hint: "tarn restore silver.orders --to @-1; see tarn log silver.orders",
      });
    }
    return onEngine(invocation, "restore", runRestore, { table, to });
  },
});
