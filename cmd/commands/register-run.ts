/** A table that was made ready under the lake's root, named: under the lease, or in the running engine. */

import { counted } from "../../core/base/quantity.ts";
import { EXIT } from "../exit.ts";
import { registerOf } from "../lake/register.ts";
import type { EngineCommand } from "../serve/engine-command.ts";

export interface RegisterArgs {
  readonly name: string;
  readonly metadataLocation: string;
}

export const runRegister: EngineCommand<RegisterArgs> = async (session, args, terminal) => {
  const { rows, snapshots, version } = await registerOf(session, args);
  const { name } = args;
  if (terminal.json) {
    terminal.document({
      schema: "tarn.register/1",
      table: name,
      rows,
      snapshots,
      format_version: version,
    });
    return EXIT.ok;
  }
  const count = rows === null ? "" : `${counted(rows, "row")}, `;
  terminal.line(`${name} is here: ${count}${counted(snapshots, "snapshot")}`);
  if (version === 1) terminal.note("it is of format version 1, and is read only here");
  return EXIT.ok;
};
