/** `tarn restore`: a table set back to an older snapshot, as a new one. */

import { LakeError } from "../../core/base/errors.ts";
import { counted } from "../../core/base/quantity.ts";
import { defineTool } from "../command.ts";
import { EXIT } from "../exit.ts";
import { restoreOf, undropOf } from "../lake/restore.ts";
import { type EngineCommand, onEngine } from "../serve/engine-command.ts";

export interface RestoreArgs {
  readonly table: string;
  /** Null brings back a table that was dropped, as it was. */
  readonly to: string | null;
}

export const runRestore: EngineCommand<RestoreArgs> = async (session, args, terminal) => {
  const back = await undropOf(session, args.table);
  if (back !== null) {
    const { table, commit } = back;
    if (terminal.json) terminal.document({ schema: "tarn.restore/1", table, commit });
    else terminal.line(`${table} is back as it was when it was dropped, commit ${commit}`);
    if (args.to === null) return EXIT.ok;
  }
  if (args.to === null) throw needsVersion();
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
  description:
    "Set a table back to an older snapshot, as a new snapshot; without --to, bring a dropped one back.",
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
    if (table === undefined) throw needsVersion();
    return onEngine(invocation, "restore", runRestore, { table, to: to ?? null });
  },
});

function needsVersion(): LakeError {
  return new LakeError("usage", "restore needs a table and --to", {
    hint: "tarn restore silver.orders --to @-1; see tarn log silver.orders",
  });
}
