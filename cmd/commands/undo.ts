/** `tarn undo`: what a run published is taken back, as a new snapshot. */

import { LakeError } from "../../core/base/errors.ts";
import { counted } from "../../core/base/quantity.ts";
import { short } from "../../core/model/undo.ts";
import { defineTool } from "../command.ts";
import { EXIT } from "../exit.ts";
import { undoOf } from "../lake/undo.ts";
import { type EngineCommand, onEngine } from "../serve/engine-command.ts";

export interface UndoArgs {
  readonly which: string;
  readonly cascade: boolean;
  readonly dryRun: boolean;
}

export const runUndo: EngineCommand<UndoArgs> = async (session, args, terminal) => {
  const { run, commit, tables } = await undoOf(session, args.which, args);
  if (terminal.json) {
    terminal.document({
      ...{ schema: "tarn.undo/1", dry_run: args.dryRun, run, commit },
      tables: tables.map((one) => ({
        table: one.table,
        from_sequence: one.fromSequence,
        to_sequence: one.toSequence,
        rows: one.rows,
        runs: [...one.runs],
      })),
    });
    return EXIT.ok;
  }
  for (const { table, fromSequence, toSequence, rows, runs } of tables) {
    const what = toSequence === null ? "nothing, as before" : `what @${toSequence} held`;
    const holds = args.dryRun ? "would hold" : "now holds";
    const count = toSequence === null ? "" : `: ${counted(rows, "row")}`;
    terminal.line(
      `${table}@${fromSequence} ${holds} ${what}${count}, without ${counted(runs.length, "run")}`,
    );
  }
  if (commit === null) {
    terminal.line("nothing was written (--dry-run)");
    return EXIT.ok;
  }
  terminal.line(`run ${short(run)} is taken back, commit ${commit}`);
  const names = [...new Set(tables.map(({ model }) => model))].join(" ");
  terminal.note(
    "builds leave them so until an input, a correction or their query changes, and then compute them anew; " +
      `to have that now: tarn build --full ${names}`,
  );
  return EXIT.ok;
};

export const command = defineTool({
  name: "undo",
  description: "Take back what a run of a model published, and what later runs built on it.",
  args: {
    cascade: { type: "boolean", description: "later runs that built on it are taken back too" },
    "dry-run": { type: "boolean", description: "show which tables, write nothing" },
  },
  examples: ["tarn undo 5f0c2a91", "tarn undo silver.orders --cascade --dry-run"],
  run: (invocation) => {
    const { args } = invocation;
    const [which] = args._;
    if (which === undefined) {
      throw new LakeError("usage", "undo needs a run, or a model whose last run is meant", {
        hint: `tarn undo silver.orders --dry-run; runs are in lake.runs`,
      });
    }
    const { cascade, "dry-run": dryRun } = args;
    return onEngine(invocation, "undo", runUndo, {
      which,
      cascade: cascade === true,
      dryRun: dryRun === true,
    });
  },
});
