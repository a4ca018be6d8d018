/** `tarn load FILE…|-`: lands files by hand, as if they had been dropped. */

import { rm } from "node:fs/promises";
import { resolve } from "node:path";
import { LakeError } from "../../core/base/errors.ts";
import { formatNames } from "../../core/config/read-options.ts";
import { isNamePart, namePartFrom } from "../../core/table/name.ts";
import { FORMATS } from "../../sql/decode/formats.ts";
import { defineTool } from "../command.ts";
import { EXIT } from "../exit.ts";
import { hasFailed } from "../lake/build.ts";
import { type LoadRequest, loadOf } from "../lake/load.ts";
import { BuildScreen, following } from "../render/screen.ts";
import { type EngineCommand, onEngine } from "../serve/engine-command.ts";
import { type Spooled, spoolStdin } from "./stdin.ts";

export const runLoad: EngineCommand<LoadRequest> = async (session, args, terminal, signal) => {
  const screen = new BuildScreen(terminal, session.ports.clock.nowMs());
  await screen.watch();
  const summary = await loadOf(session, args, following(screen, signal)).finally(() =>
    screen.stop(),
  );
  screen.finish(summary, session.ports.clock.nowMs(), []);
  return hasFailed(summary) ? EXIT.data : EXIT.ok;
};

/** Rows land in bronze: `orders` or `bronze.orders`. */
function checkInto(into: string | null): void {
  if (into === null) return;
  const name = into.replace(/^bronze\./, "");
  if (isNamePart(name) && name === name.toLowerCase()) return;
  throw new LakeError("usage", `--into ${into} is not a table of bronze`, {
    hint: `files land in bronze, under a lower-case name: --into bronze.${namePartFrom(name)}`,
  });
}

export const command = defineTool({
  name: "load",
  description: "Land files once, or rows from stdin (-), as if they had been dropped.",
  args: {
    into: { type: "string", valueHint: "bronze.x", description: "the table; else the file's name" },
    key: { type: "string", valueHint: "KEY", description: "stdin lands once under this key" },
    as: { type: "string", valueHint: "csv|json|…", description: "the format; else found out" },
  },
  examples: [
    "tarn load ~/Downloads/orders.csv",
    "curl … | tarn load - --into events --as json --key 2026-11-20",
  ],
  run: async (invocation) => {
    const { args, signal } = invocation;
    if (args._.length === 0) {
      throw new LakeError("usage", "load needs files, or - for stdin", {
        hint: "tarn load orders.csv",
      });
    }
    const format = args.as ?? null;
    const known = formatNames(FORMATS);
    if (format !== null && !known.includes(format)) {
      throw new LakeError("usage", `"${format}" is not a format`, {
        hint: known.join(", "),
      });
    }
    checkInto(args.into ?? null);
    const files: string[] = [];
    const spooled: Spooled[] = [];
    if (args.key !== undefined && !args._.includes("-")) {
      throw new LakeError("usage", "--key is of rows from stdin; files are known by their bytes", {
        hint: "tarn load - --into orders --key 2026-11-20",
      });
    }
    try {
      for (const file of args._) {
        if (file !== "-") files.push(resolve(file));
        else spooled.push(await spoolStdin({ into: args.into, key: args.key, format }, signal));
      }
      return await onEngine(
        invocation,
        "load",
        runLoad,
        {
          files,
          piped: spooled,
          into: args.into ?? null,
          format,
        },
        { shows: true },
      );
    } finally {
      for (const { folder } of spooled) await rm(folder, { recursive: true, force: true });
    }
  },
});
