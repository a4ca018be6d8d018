/** `tarn maintain`: small files made one, and what nothing needs any more taken away. */

import { LakeError } from "../../core/base/errors.ts";
import { counted, thousands } from "../../core/base/quantity.ts";
import type { Compaction } from "../../core/table/compact.ts";
import { defineTool, type Terminal } from "../command.ts";
import { EXIT } from "../exit.ts";
import { bytesText } from "../format/numbers.ts";
import { type MaintainRequest, maintainOf, STEPS, type Step } from "../lake/maintain.ts";
import { type EngineCommand, onEngine } from "../serve/engine-command.ts";

/** Sizes below are not worth a word. */
const TOLD_BYTES_MIN = 1024 * 1024;

export const runMaintain: EngineCommand<MaintainRequest> = async (session, args, terminal) => {
  const done = await maintainOf(session, args);
  if (terminal.json) {
    for (const one of done.compactions) terminal.document(compactionOf(one, args.dryRun));
    return EXIT.ok;
  }
  const told = done.compactions.filter((one) => tellCompaction(terminal, one, args.dryRun)).length;
  if (told === 0) terminal.line("nothing to do");
  if (told > 0 && args.dryRun) terminal.note("nothing was written");
  return EXIT.ok;
};

function compactionOf(one: Compaction, dryRun: boolean) {
  return {
    schema: "tarn.maintain/1",
    step: "compact",
    table: one.table,
    files: one.files,
    bytes: one.bytes,
    files_added: one.filesAdded,
    bytes_added: one.bytesAdded,
    delete_files: one.deletes,
    rows_left_out: one.rowsLeftOut === null ? null : Number(one.rowsLeftOut),
    commit: one.commit,
    refused: one.refused,
    dry_run: dryRun,
  };
}

/** False where there was nothing to say. */
function tellCompaction(terminal: Terminal, one: Compaction, dryRun: boolean): boolean {
  const { table, files, filesAdded, deletes, commit, refused } = one;
  if (refused !== null) terminal.note(`${table} stays as it is: ${refused}`);
  if (files === 0 && deletes === 0) return refused !== null;
  const parts = [
    ...(files === 0 ? [] : [`${counted(files, "file")}${sizeOf(one.bytes)}`]),
    ...(deletes === 0 ? [] : [counted(deletes, "delete file")]),
  ];
  const become = dryRun ? "would become" : "became";
  const end = dryRun ? "" : `${sizeOf(one.bytesAdded ?? 0)}, commit ${commit}`;
  terminal.line(`${table}  ${parts.join(" and ")} ${become} ${thousands(filesAdded)}${end}`);
  return true;
}

function sizeOf(bytes: number): string {
  return bytes < TOLD_BYTES_MIN ? "" : ` (${bytesText(bytes)})`;
}

export const command = defineTool({
  name: "maintain",
  description: "Make small files one and fold deletes into them; no row changes.",
  args: {
    "dry-run": { type: "boolean", description: "say what would be done; nothing is written" },
  },
  examples: ["tarn maintain compact bronze.orders --dry-run", "tarn maintain all"],
  run: ({ args, ...invocation }) => {
    const [word, table] = args._;
    const request = {
      steps: stepsOf(word),
      table: table ?? null,
      dryRun: args["dry-run"] === true,
    };
    return onEngine({ args, ...invocation }, "maintain", runMaintain, request);
  },
});

function stepsOf(word: string | undefined): readonly Step[] {
  if (word === "all") return STEPS;
  const step = STEPS.find((one) => one === word);
  if (step !== undefined) return [step];
  const what = word === undefined ? "maintain needs a word" : `maintain does not know "${word}"`;
  throw new LakeError("usage", what, { hint: `one of: ${[...STEPS, "all"].join(", ")}` });
}
