/** `tarn forget`: a file, or all of a source, out of the lake as if it had never been dropped. */

import { LakeError } from "../../core/base/errors.ts";
import { counted } from "../../core/base/quantity.ts";
import { defineTool, type Terminal } from "../command.ts";
import { EXIT } from "../exit.ts";
import { type ForgetRequest, type ForgottenSource, forgetOf } from "../lake/forget.ts";
import { printable } from "../render/style.ts";
import { type EngineCommand, onEngine } from "../serve/engine-command.ts";

/** Names of files that are listed. */
const SHOWN_MAX = 5;

export const runForget: EngineCommand<ForgetRequest> = async (session, args, terminal) => {
  const keptMs = session.config.keep.snapshotsMs;
  const untilMs = session.ports.clock.nowMs() + keptMs;
  for (const done of await forgetOf(session, args)) {
    if (terminal.json) terminal.document(documentOf(done, args.dryRun));
    else tell(terminal, done, args, untilMs);
  }
  return EXIT.ok;
};

function documentOf(done: ForgottenSource, dryRun: boolean) {
  const { source, table, files, rows, aside, originals, commit, stillThere, originalsMs } = done;
  return {
    schema: "tarn.forget/1",
    ...{ source, table, files: [...files], rows, aside, originals: originals.length, commit },
    still_there: [...stillThere],
    originals_leave_at: originalsMs === null ? null : new Date(originalsMs).toISOString(),
    dry_run: dryRun,
  };
}

function tell(
  terminal: Terminal,
  done: ForgottenSource,
  { what, originals, dryRun }: ForgetRequest,
  untilMs: number,
): void {
  const { table, files, rows, aside, commit, before, stillThere, originalsMs } = done;
  const rest = aside === 0 ? "" : ` and ${counted(aside, "row")} set aside`;
  const how = dryRun ? "would be forgotten" : `forgotten, commit ${commit}`;
  if (files.length > 0) {
    const of = `${counted(rows, "row")} of ${table}${rest} from ${counted(files.length, "file")}`;
    terminal.line(`${of} ${how}`);
  }
  for (const name of stillThere.slice(0, SHOWN_MAX)) {
    terminal.note(`${printable(name)} still lies there: it lands again once it is dropped anew`);
  }
  const more = stillThere.length - SHOWN_MAX;
  if (more > 0) terminal.note(`and so do ${counted(more, "other file")}`);
  if (dryRun) {
    terminal.note(`nothing was written; to do it: tarn forget ${what}`);
    return;
  }
  const until = dayOf(untilMs);
  if (commit !== null)
    terminal.note(`past snapshots show its rows until ${until} (keep.snapshots)`);
  const count = done.originals.length;
  if (originalsMs !== null) {
    const copies = counted(count, "original leaves", "originals leave");
    terminal.note(
      `${copies} the disk after ${dayOf(originalsMs)}, unless another file has its bytes`,
    );
  } else if (count > 0 && !originals) {
    const copies = counted(count, "original");
    terminal.note(`${copies} kept; to let them go too: tarn forget ${what} --originals`);
  }
  if (commit !== null && before !== null) {
    terminal.note(`undo:  tarn restore ${table} @${before}`);
    terminal.note("next:  tarn build");
  }
}

function dayOf(ms: number): string {
  return new Date(ms).toISOString().slice(0, 10);
}

export const command = defineTool({
  name: "forget",
  description:
    "Take a dropped file, or all of a source, out of its table, its quarantine and the ledger.",
  args: {
    originals: { type: "boolean", description: "the kept copies too, once no snapshot shows them" },
    "dry-run": { type: "boolean", description: "say what would leave; nothing is written" },
  },
  examples: ["tarn forget drops/orders/2026-11-20.csv --dry-run", "tarn forget orders --originals"],
  run: ({ args, ...invocation }) => {
    const [what] = args._;
    if (what === undefined) {
      throw new LakeError("usage", "forget needs a file or a source", {
        hint: "tarn forget drops/orders/2026-11-20.csv; see: tarn status",
      });
    }
    const request = { what, originals: args.originals === true, dryRun: args["dry-run"] === true };
    return onEngine({ args, ...invocation }, "forget", runForget, request);
  },
});
