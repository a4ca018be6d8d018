/** `tarn reread`: every file that a source ever landed, decoded anew as tarn.yaml says now. */

import { LakeError } from "../../core/base/errors.ts";
import { counted, thousands } from "../../core/base/quantity.ts";
import { defineTool, type Terminal } from "../command.ts";
import { EXIT } from "../exit.ts";
import { type RereadRequest, rereadOf, type SourceReread } from "../lake/reread.ts";
import { type EngineCommand, onEngine } from "../serve/engine-command.ts";

export const runReread: EngineCommand<RereadRequest> = async (session, args, terminal) => {
  await rereadOf(session, args, (done) => printReread(terminal, done, args.dryRun));
  return EXIT.ok;
};

export const command = defineTool({
  name: "reread",
  description:
    "Decode every file that a source ever landed anew, as tarn.yaml says now: types, delimiter, header, sheet, " +
    "encoding, names. One commit; models follow.",
  args: {
    "dry-run": { type: "boolean", description: "say what would change; nothing is written" },
    why: { type: "string", valueHint: "TEXT", description: "kept with the commit" },
  },
  examples: ["tarn reread orders --dry-run", "tarn reread orders"],
  run: (invocation) => {
    const { args } = invocation;
    if (args._.length === 0) {
      throw new LakeError("usage", "reread needs to know what: a source", {
        hint: "tarn reread orders --dry-run; see: tarn plan",
      });
    }
    const dryRun = args["dry-run"] === true;
    return onEngine(invocation, "reread", runReread, {
      sources: args._,
      dryRun,
      why: args.why ?? null,
    });
  },
});

/** What changed, or would. */
export function printReread(
  terminal: Terminal,
  done: SourceReread,
  dryRun: boolean,
  command = `tarn reread ${done.source}`,
): void {
  if (terminal.json) {
    const { columns, moves, ...counts } = done;
    terminal.document({
      schema: "tarn.reread/1",
      ...counts,
      columns: columns.map((column) => ({ ...column })),
      moves: moves === null ? null : { ...moves },
    });
    return;
  }
  const { style } = terminal;
  const rows = `${counted(done.rowsAfter, "row")}, was ${thousands(done.rowsBefore)}`;
  const aside = `${thousands(done.asideAfter)} set aside, was ${thousands(done.asideBefore)}`;
  const from = `from ${counted(done.files, "original")}`;
  terminal.line(`  ${done.table.padEnd(24)} ${rows}; ${aside}; ${from}`);
  for (const { name, before, after } of done.columns) {
    const what =
      before === null
        ? style.green(`${after ?? ""} (new)`)
        : after === null
          ? style.red(`${before} (gone)`)
          : `${before} → ${after}`;
    terminal.line(`    ${name}: ${what}`);
  }
  if (done.replaced > 0) {
    const what = counted(done.replaced, "earlier version");
    terminal.line(`    ${what} ${dryRun ? "would leave" : "left"} the table: same_name: replace`);
  }
  if (done.moves !== null) {
    const { landing, leaving } = done.moves;
    if (landing > 0) terminal.line(`    ${counted(landing, "row")} set aside before would land`);
    if (leaving > 0)
      terminal.line(`    ${counted(leaving, "row")} in the table would be set aside`);
  }
  if (dryRun) terminal.note(`nothing was written; to do it: ${command}`);
  else if (done.commit !== null) {
    terminal.note(`published as commit ${done.commit}; models follow at the next build`);
  }
}
