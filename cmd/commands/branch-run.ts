/** What `tarn branch` does to the lake: under the lease, or in the running engine. */

import { counted } from "../../core/base/quantity.ts";
import type { LakeEvent } from "../../core/lake.ts";
import type { Terminal } from "../command.ts";
import { EXIT } from "../exit.ts";
import type { BranchTable } from "../lake/branch-list.ts";
import type { EngineCommand } from "../serve/engine-command.ts";

export type BranchArgs =
  | {
      readonly verb: "create";
      readonly name: string;
      readonly tables: readonly string[];
      readonly at: string | null;
    }
  | { readonly verb: "drop"; readonly name: string }
  | {
      readonly verb: "promote";
      readonly name: string;
      /** Snapshots that were looked at, by table. */
      readonly heads: Readonly<Record<string, string>>;
      readonly keep: boolean;
      /** The project that it was asked in. */
      readonly root: string;
    }
  | {
      readonly verb: "cherry-pick";
      readonly name: string;
      readonly table: string;
      readonly snapshot: string | null;
    };

export const runBranch: EngineCommand<BranchArgs> = async (session, args, terminal, signal) => {
  const lake = await import("../lake/branches.ts");
  const { name } = args;
  const say = (text: string, more: Parameters<Terminal["document"]>[0]): number => {
    if (terminal.json) terminal.document(more);
    else terminal.line(text);
    return EXIT.ok;
  };
  switch (args.verb) {
    case "create": {
      const { createBranchOf } = await import("../lake/branch-create.ts");
      const { tables } = await createBranchOf(session, name, args);
      const names = tables.map(({ table }) => table);
      const about = names.length === 0 ? "" : ` with ${names.join(", ")}`;
      return say(`branch ${name} is begun${about}; work on it with: tarn sql --branch ${name}`, {
        schema: "tarn.branch/1",
        branch: name,
        created: true,
        tables: names,
      });
    }
    case "drop": {
      const { tables } = await lake.dropBranchOf(session, name);
      const lost = tables.reduce((sum, { ahead }) => sum + ahead.length, 0);
      const about =
        lost === 0 ? "nothing was on it" : `${counted(lost, "snapshot")} of it given up`;
      return say(`branch ${name} is dropped: ${about}`, {
        schema: "tarn.branch/1",
        branch: name,
        dropped: true,
        snapshots: lost,
      });
    }
    case "promote": {
      const heads = new Map(Object.entries(args.heads));
      const following = { signal, onEvent: (event: LakeEvent) => tellRun(terminal, event) };
      const asked = { ...args, heads, following };
      const { commit, branch } = await lake.promoteOf(session, name, asked);
      const names = branch.tables.map(({ table }) => table);
      for (const way of waysBack(branch.tables)) terminal.note(`the way back: ${way}`);
      return say(`branch ${name} is main, commit ${commit}: ${names.join(", ")}`, {
        schema: "tarn.branch/1",
        branch: name,
        promoted: true,
        commit,
        tables: names,
      });
    }
    case "cherry-pick": {
      const picked = await lake.cherryPickOf(session, name, args);
      if (picked.length === 0) {
        return say(`main has all that ${name} appends to ${args.table}`, {
          schema: "tarn.branch/1",
          branch: name,
          picked: [],
        });
      }
      const rows = picked.reduce((sum, one) => sum + one.rows, 0n);
      const last = picked.at(-1)?.commit ?? 0n;
      return say(
        `${counted(rows, "row")} of ${name} taken over into ${args.table}, commit ${last}`,
        {
          schema: "tarn.branch/1",
          branch: name,
          picked: picked.map((one) => ({ ...one })),
        },
      );
    }
  }
};

/** What main got meanwhile is taken in first. */
function tellRun(terminal: Terminal, event: LakeEvent): void {
  if (event.event !== "run" || event.outcome.kind !== "built") return;
  const { model, mode, reason } = event.outcome;
  terminal.note(`  ${model}  ${mode}: ${reason}`);
}

/** To where main stood: `@-1` would be the branch's own snapshot before the last. */
function waysBack(tables: readonly BranchTable[]): readonly string[] {
  return tables.flatMap(({ table, fork, behind }) => {
    const main = behind[0] ?? fork;
    return main === null ? [] : [`tarn restore ${table} --to @${main.sequenceNumber}`];
  });
}
