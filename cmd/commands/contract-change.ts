/** `tarn contract keep`, `widen` and `rename`: what a person changes of a learned column. */

import { LakeError } from "../../core/base/errors.ts";
import { EXIT } from "../exit.ts";
import { type ColumnChange, changedColumn } from "../lake/column-change.ts";
import { printable } from "../render/style.ts";
import type { EngineCommand } from "../serve/engine-command.ts";
import { printReread } from "./reread.ts";

export const runChange: EngineCommand<ColumnChange> = async (session, request, terminal) => {
  const { source, table, column, commit, reread } = await changedColumn(session, request);
  if (reread !== null) {
    const words = [request.choice, source, column, ...("to" in request ? [request.to] : [])];
    const command = `tarn contract ${words.map(quoted).join(" ")}`;
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
export function changeOf(
  choice: ColumnChange["choice"],
  words: readonly string[],
  options: { readonly dryRun: boolean; readonly why: string | undefined },
): ColumnChange {
  const [table, column, to] = words;
  if (table === undefined || column === undefined) {
    throw new LakeError("usage", `contract ${choice} needs a table and a column`, {
      hint: `tarn contract ${choice} orders amount${choice === "rename" ? " price" : ""}`,
    });
  }
  const { dryRun, why = `${choice} ${column}` } = options;
  if (choice !== "rename") return { table, column, choice, dryRun, why };
  if (to === undefined) {
    throw new LakeError("usage", `contract rename needs the new name of ${column}`, {
      hint: `tarn contract rename ${table} ${quoted(column)} NAME`,
    });
  }
  return { table, column, to, choice, dryRun, why: options.why ?? `rename ${column} to ${to}` };
}

/** As a shell takes it for one word. */
function quoted(word: string): string {
  return /^[\w.-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`;
}
