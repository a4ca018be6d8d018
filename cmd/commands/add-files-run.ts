/** Files that lie in a table's folder, named by it: under the lease, or in the running engine. */

import { counted } from "../../core/base/quantity.ts";
import { EXIT } from "../exit.ts";
import { addFilesOf, type StagedFiles } from "../lake/add-files.ts";
import type { EngineCommand } from "../serve/engine-command.ts";

export const runAddFiles: EngineCommand<StagedFiles> = async (session, args, terminal) => {
  const { commit, sequence, rows } = await addFilesOf(session, args);
  const { table, files } = args;
  if (terminal.json) {
    const counts = { rows, files: files.length };
    terminal.document({ schema: "tarn.add-files/1", table, commit, sequence, ...counts });
  } else {
    const count = counted(files.length, "file");
    terminal.line(`${table}@${sequence} has ${counted(rows, "row")} more in ${count}, as they are`);
  }
  return EXIT.ok;
};
