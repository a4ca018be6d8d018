/** `tarn contract keep` and `widen`: what is done with the values of a column that do not fit. */

import { LakeError } from "../../core/base/errors.ts";
import { EXIT } from "../exit.ts";
import { type ChoiceRequest, chosenOf } from "../lake/misfits.ts";
import { printable } from "../render/style.ts";
import type { EngineCommand } from "../serve/engine-command.ts";
import { printReread } from "./reread.ts";

export const runChoice: EngineCommand<ChoiceRequest> = async (session, request, terminal) => {
  const { source, table, column, commit, reread } = await chosenOf(session, request);
  if (reread !== null) {
    const command = `tarn contract ${request.choice} ${source} ${column}`;
    printReread(terminal, { source, table, ...reread }, request.dryRun, command);
    return EXIT.ok;
  }
  if (terminal.json) terminal.document({ source, table, column, choice: request.choice, commit });
  else {
    const when = commit === null ? "nothing was written" : `commit ${commit}`;
    const what = `${printable(column)} of ${table} keeps its type: what does not fit is set aside`;
    terminal.note(`${what}; ${when}`);
  }
  return EXIT.ok;
};

/** The request that the words of a command make. Throws `usage`. */
export function choiceOf(
  choice: ChoiceRequest["choice"],
  words: readonly string[],
  options: { readonly dryRun: boolean; readonly why: string | undefined },
): ChoiceRequest {
  const [table, column] = words;
  if (table === undefined || column === undefined) {
    throw new LakeError("usage", `contract ${choice} needs a table and a column`, {
      hint: `tarn contract ${choice} orders amount`,
    });
  }
  const { dryRun, why = `${choice} ${column}` } = options;
  return { table, column, choice, dryRun, why };
}
