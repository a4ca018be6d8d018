/** The commit of a statement of `tarn sql`, as the engine makes it: asked for by the shell, never typed. */

import { EXIT } from "../exit.ts";
import { renameOf, writeOf } from "../lake/write.ts";
import { type WireWrite, writtenToJson } from "../lake/write-wire.ts";
import type { EngineCommand } from "../serve/engine-command.ts";

export const runWrite: EngineCommand<WireWrite> = async (session, args, terminal) => {
  terminal.document(writtenToJson(await writeOf(session, args)));
  return EXIT.ok;
};

export const runRename: EngineCommand<{ readonly from: string; readonly to: string }> = async (
  session,
  args,
  terminal,
) => {
  terminal.document({ commit: (await renameOf(session, args))?.toString() ?? null });
  return EXIT.ok;
};
