/** `tarn replay`: models computed again over bronze, compared, and published as one commit. */

import { LakeError } from "../../core/base/errors.ts";
import type { Json } from "../../core/base/json.ts";
import { counted, thousands } from "../../core/base/quantity.ts";
import type { Replayed, ReplayedTable } from "../../core/model/replay.ts";
import { defineTool, SELECTION_ARGS, selectionOf, type Terminal } from "../command.ts";
import { countOf } from "../count.ts";
import { EXIT } from "../exit.ts";
import { isSame } from "../lake/diff.ts";
import { type ReplayRequest, replayOf, type SourceReplayed } from "../lake/replay.ts";
import { rowChangeText } from "../render/row-change.ts";
import { type EngineCommand, onEngine } from "../serve/engine-command.ts";
import { printReread } from "./reread.ts";

export const runReplay: EngineCommand<ReplayRequest> = async (session, args, terminal) => {
  const startedMs = session.ports.clock.nowMs();
  const replayed = await replayOf(session, args, (source) => printSource(terminal, source, args));
  if (replayed === null) return EXIT.ok;
  if (terminal.json) terminal.document(replayObject(replayed, args));
  else printReplay(terminal, replayed, args, session.ports.clock.nowMs() - startedMs);
  if (args.from !== null || args.to !== null) noteRange(terminal, args, session.config.timezone);
  else if (args.partition != null) terminal.note("partitions of times are in UTC");
  return EXIT.ok;
};

function noteRange(terminal: Terminal, { from, to }: ReplayRequest, timezone: string): void {
  const bounds = `${from ?? "the first row"} to ${to ?? "the last row"}`;
  terminal.note(`range: ${bounds}, its end not included; times without a zone are in ${timezone}`);
}

function printSource(terminal: Terminal, replayed: SourceReplayed, args: ReplayRequest): void {
  if (replayed.kind === "reread") {
    printReread(terminal, replayed.done, args.dryRun);
    return;
  }
  const { source, table, ...done } = replayed.done;
  if (terminal.json) {
    terminal.document({ event: "originals", table, ...done });
    return;
  }
  const rows = counted(done.rowsLanded, "row");
  const aside = done.rowsQuarantined > 0 ? `, ${thousands(done.rowsQuarantined)} set aside` : "";
  terminal.line(`  ${table.padEnd(24)} ${rows}${aside} from ${counted(done.files, "original")}`);
  if (replayed.otherwise.length === 0) return;
  terminal.note(`read as they were; ${replayed.otherwise.join("; ")}: tarn reread ${source}`);
}

function printReplay(
  terminal: Terminal,
  replayed: Replayed,
  args: ReplayRequest,
  elapsedMs: number,
): void {
  const { style } = terminal;
  for (const table of replayed.tables) {
    const { diff } = table;
    const what = isSame(diff)
      ? style.dim("no difference")
      : `+${thousands(diff.added)} ~${thousands(diff.changed)} -${thousands(diff.removed)}`;
    const read = `${counted(table.rowsIn, "row")} read`;
    const aside = table.asideChanged ? ", sets other rows aside" : "";
    terminal.line(
      `  ${table.model.padEnd(24)} ${what.padEnd(18)} ${read}, ${table.reason}${aside}`,
    );
    printSample(terminal, table);
  }
  const seconds = `${(elapsedMs / 1000).toFixed(2)} s`;
  if (replayed.commit !== null)
    terminal.line(`published as commit ${replayed.commit}   ${seconds}`);
  else if (args.dryRun) terminal.line(`nothing was written (--dry-run)   ${seconds}`);
  else terminal.line(`nothing changed, so nothing was published   ${seconds}`);
  if (args.dryRun) terminal.note("next:  the same command without --dry-run");
  else if (args.at !== null && !args.promote && replayed.commit !== null)
    terminal.note("next:  the same command with --promote makes them the live tables");
}

function printSample(terminal: Terminal, table: ReplayedTable): void {
  for (const row of table.diff.sample) {
    const text = rowChangeText(row).slice(0, terminal.width - 5);
    terminal.line(`    ${terminal.style.dim(text)}`);
  }
}

function replayObject(replayed: Replayed, args: ReplayRequest): Json {
  return {
    schema: "tarn.replay/1",
    dry_run: args.dryRun,
    commit: replayed.commit,
    tables: replayed.tables.map((table) => ({
      model: table.model,
      mode: table.mode,
      reason: table.reason,
      rows_in: Number(table.rowsIn),
      added: Number(table.diff.added),
      removed: Number(table.diff.removed),
      changed: Number(table.diff.changed),
      quarantine_changed: table.asideChanged,
    })),
  };
}

export const command = defineTool({
  name: "replay",
  description: "Compute models again over bronze, show what changes, and publish it as one commit.",
  args: {
    ...SELECTION_ARGS,
    from: { type: "string", valueHint: "TIME", description: "first instant of the range" },
    to: { type: "string", valueHint: "TIME", description: "end of the range, not included" },
    by: {
      type: "string",
      valueHint: "COLUMN",
      description:
        "column that the range is over; event_time of one model that has it, else _ingested_at",
    },
    partition: {
      type: "string",
      valueHint: "PARTITION=VALUE",
      description: "instead of a range: a partition of the model, as day(at)=2026-03-04",
    },
    at: {
      type: "string",
      valueHint: "TIME|SNAPSHOT|TAG",
      description: "read the inputs as of then; the result goes into tables beside the live ones",
    },
    promote: { type: "boolean", description: "with --at: the result becomes the live tables" },
    code: {
      type: "string",
      default: "current",
      valueHint: "current|recorded",
      description: "the models as they are, or as they last published",
    },
    "from-originals": { type: "boolean", description: "decode the kept originals again first" },
    contract: {
      type: "string",
      default: "recorded",
      valueHint: "recorded|current",
      description: "with --from-originals: read as they were, or as tarn.yaml says now (reread)",
    },
    refresh: {
      type: "boolean",
      description: "lookups behind it ask for all of their keys again first, and keep the answers",
    },
    "dry-run": { type: "boolean", description: "show what would change, write nothing" },
    why: { type: "string", valueHint: "TEXT", description: "kept with the commit" },
    limit: { type: "string", default: "5", valueHint: "N", description: "changed rows to show" },
  },
  examples: [
    "tarn replay silver.orders+ --dry-run",
    "tarn replay silver.orders+ --from 2026-11-01 --to 2026-11-15",
    "tarn replay gold.daily+ --partition 'day(ordered_at)=2026-11-04'",
    "tarn replay gold.daily --at month-end --promote",
    "tarn replay replays/fix.ts",
  ],
  run: async (invocation) => {
    const { args } = invocation;
    const [first] = args._;
    if (first?.endsWith(".ts") === true) {
      const { runScript } = await import("../script/script.ts");
      return runScript(invocation, first, args["dry-run"] === true);
    }
    if (args.code !== "current" && args.code !== "recorded") {
      throw new LakeError("usage", `--code is current or recorded, not "${args.code}"`);
    }
    if (args.contract !== "current" && args.contract !== "recorded") {
      throw new LakeError("usage", `--contract is recorded or current, not "${args.contract}"`);
    }
    if (args.contract === "current" && args["from-originals"] !== true) {
      throw new LakeError("usage", "--contract current reads the originals", {
        hint: "tarn replay bronze.orders --from-originals --contract current, or: tarn reread orders",
      });
    }
    return onEngine(invocation, "replay", runReplay, {
      contract: args.contract,
      ...selectionOf(args),
      from: args.from ?? null,
      to: args.to ?? null,
      by: args.by ?? null,
      partition: partitionOf(args),
      at: args.at ?? null,
      promote: promotion(args),
      code: args.code,
      fromOriginals: args["from-originals"] === true,
      refresh: args.refresh === true,
      dryRun: args["dry-run"] === true,
      why: args.why ?? null,
      limit: countOf(args.limit),
    });
  },
});

/** A partition is a range by itself. */
function partitionOf(args: {
  readonly partition?: string | undefined;
  readonly from?: string | undefined;
  readonly to?: string | undefined;
  readonly by?: string | undefined;
}): string | null {
  const { partition, from, to, by } = args;
  if (partition === undefined) return null;
  if (from === undefined && to === undefined && by === undefined) return partition;
  throw new LakeError("usage", "--partition says the range, and takes no --from, --to or --by", {
    hint: "tarn replay gold.daily --partition 'day(at)=2026-03-04'",
  });
}

/** A range of then among the rows of now would have no place to go on from. */
function promotion(args: {
  readonly at?: string | undefined;
  readonly from?: string | undefined;
  readonly to?: string | undefined;
  readonly promote?: boolean | undefined;
}): boolean {
  if (args.promote !== true) return false;
  if (args.at !== undefined && args.from === undefined && args.to === undefined) return true;
  throw new LakeError("usage", "--promote goes with --at, and takes no --from or --to", {
    hint: "tarn replay gold.daily --at month-end --promote",
  });
}
