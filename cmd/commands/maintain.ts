/** `tarn maintain`: small files made one, and what nothing needs any more taken away. */

import { unreachable } from "../../core/base/assert.ts";
import { LakeError } from "../../core/base/errors.ts";
import { counted, thousands } from "../../core/base/quantity.ts";
import { defineTool } from "../command.ts";
import { EXIT } from "../exit.ts";
import {
  type Maintained,
  type MaintainRequest,
  maintainOf,
  STEPS,
  type Step,
} from "../lake/maintain.ts";
import { compactionLine, compactionObject } from "../render/maintained.ts";
import { type EngineCommand, onEngine } from "../serve/engine-command.ts";

export const runMaintain: EngineCommand<MaintainRequest> = async (session, args, terminal) => {
  let told = 0;
  for await (const done of maintainOf(session, args)) {
    if (terminal.json) {
      terminal.document(documentOf(done, args.dryRun));
      continue;
    }
    const line = lineOf(done, args.dryRun);
    if (line === null) continue;
    terminal.line(line);
    told++;
  }
  if (terminal.json) return EXIT.ok;
  if (told === 0) terminal.line("nothing to do");
  else if (args.dryRun) terminal.note("nothing was written");
  return EXIT.ok;
};

function documentOf(done: Maintained, dryRun: boolean) {
  const { step, table } = done;
  const own = { schema: "tarn.maintain/1", step, table };
  switch (step) {
    case "compact":
      return {
        ...own,
        ...compactionObject(done),
        dry_run: dryRun,
      };
    case "manifests":
      return { ...own, manifests: done.manifests, commit: done.commit, dry_run: dryRun };
    case "expire":
      return { ...own, snapshots: done.snapshots, commit: done.commit, dry_run: dryRun };
    case "orphans":
      return { ...own, found: done.found, removed: done.removed, dry_run: dryRun };
    default:
      return unreachable(done);
  }
}

/** Null where there is nothing to say. */
function lineOf(done: Maintained, dryRun: boolean): string | null {
  const { table } = done;
  switch (done.step) {
    case "compact":
      return compactionLine(done, dryRun);
    case "manifests": {
      if (done.manifests === 0) return null;
      const how = dryRun ? "would be written again" : `written again, commit ${done.commit}`;
      return `${table}  ${counted(done.manifests, "manifest")} ${how}`;
    }
    case "expire": {
      if (done.snapshots === 0) return null;
      const how = dryRun ? "would expire" : `expired, commit ${done.commit}`;
      return `${table}  ${counted(done.snapshots, "snapshot")} ${how}`;
    }
    case "orphans": {
      if (done.found === 0 && done.removed === 0) return null;
      const found = `${counted(done.found, "file")} that nothing names`;
      return `${table ?? "orphans"}  ${found}, ${thousands(done.removed)} removed`;
    }
    default:
      return unreachable(done);
  }
}

export const command = defineTool({
  name: "maintain",
  description:
    "Make small files one, fold deletes into them, and let go of what nothing needs any more.",
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
