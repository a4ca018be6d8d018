/** `tarn replay`: models computed again over bronze, compared, and published as one commit. */

import { counted, thousands } from "../../core/base/count.ts";
import { LakeError } from "../../core/base/errors.ts";
import type { Json } from "../../core/base/json.ts";
import { parseMoment } from "../../core/base/moment.ts";
import { nearestWord } from "../../core/base/suggest.ts";
import type { RangeScope } from "../../core/engine.ts";
import { type Replayed, type ReplayedTable, replay } from "../../core/model/replay.ts";
import { defineTool, type Terminal } from "../command.ts";
import { countOf } from "../count.ts";
import { EXIT } from "../exit.ts";
import type { ProjectGraph } from "../lake/models.ts";
import { recordedNodes } from "../lake/recorded.ts";
import type { Session } from "../open.ts";
import { printable } from "../render/style.ts";
import { type EngineCommand, onEngine } from "../serve/engine-command.ts";
import { chosenModels } from "./build.ts";
import { replaySources } from "./replay-originals.ts";

export interface ReplayArgs {
  readonly select: readonly string[];
  readonly from: string | null;
  readonly to: string | null;
  readonly by: string;
  readonly at: string | null;
  readonly promote: boolean;
  readonly code: "current" | "recorded";
  readonly fromOriginals: boolean;
  readonly dryRun: boolean;
  readonly why: string | null;
  readonly limit: number;
}

export const runReplay: EngineCommand<ReplayArgs> = async (session, args, terminal) => {
  const answer = await session.graph();
  if (answer.kind === "invalid") return terminal.failures(answer.errors);
  const startedMs = session.ports.clock.nowMs();
  if (args.fromOriginals) {
    const { graph } = answer;
    const selected = [...(chosenModels(graph, args.select, []) ?? [])];
    await replaySources(session, graph, selected, args, terminal);
    const models = graph.nodes.filter((node) => selected.includes(node.model.name));
    if (models.length === 0 || args.dryRun) return EXIT.ok;
  }
  const replayed = await replayOn(session, answer.graph, args);
  if (terminal.json) terminal.document(replayObject(replayed, args));
  else printReplay(terminal, replayed, args, session.ports.clock.nowMs() - startedMs);
  return EXIT.ok;
};

/** The replay itself, for the command and for scripts. */
export async function replayOn(
  session: Session,
  graph: ProjectGraph,
  args: ReplayArgs,
): Promise<Replayed> {
  if (args.select.length === 0) {
    throw new LakeError("usage", "replay needs to know what: a model or a selector", {
      hint: "tarn replay silver.orders+   (the + takes everything downstream of it too)",
    });
  }
  const chosen = chosenModels(graph, args.select, []);
  const nodes = graph.nodes.filter((node) => chosen === null || chosen.has(node.model.name));
  if (nodes.length === 0) {
    throw new LakeError("not-found", `${args.select.join(" ")} selects no model`, {
      hint: "see: tarn ls; bronze is replayed from its originals with --from-originals",
    });
  }
  const coded = args.code === "current" ? nodes : await recordedNodes(session, nodes);
  return replay(session.ports, graph.names, coded, session.settings, {
    scope: scopeOf(session, args),
    atMs: args.at === null ? null : await momentOf(session, args.at),
    promote: args.promote,
    dryRun: args.dryRun,
    why: args.why ?? `replay ${args.select.join(" ")}`,
    sampleRows: args.limit,
  });
}

function scopeOf(session: Session, args: ReplayArgs): RangeScope | null {
  if (args.from === null && args.to === null) return null;
  const { timezone } = session.config;
  const nowMs = session.ports.clock.nowMs();
  const moment = (text: string | null): number | null =>
    text === null ? null : parseMoment(text, { timezone, nowMs });
  const scope = { column: args.by, fromMs: moment(args.from), toMs: moment(args.to) };
  if (scope.fromMs !== null && scope.toMs !== null && scope.fromMs >= scope.toMs) {
    throw new LakeError("usage", `--from ${args.from} is not before --to ${args.to}`, {
      hint: "the range begins with --from and ends before --to",
    });
  }
  return scope;
}

/** What a moment is read from. */
interface MomentSource {
  readonly catalog: Pick<Session["catalog"], "tags" | "commits">;
  readonly config: Pick<Session["config"], "timezone">;
  readonly ports: Pick<Session["ports"], "clock">;
}

/** `--at` of a replay: a tag's commit, the commit that made a snapshot, or a time. */
export async function momentOf(session: MomentSource, text: string): Promise<number> {
  const tags = await session.catalog.tags();
  const tag = tags.get(text);
  if (tag !== undefined) return tag.timeMs;
  if (SNAPSHOT_ID.test(text)) return timeOfSnapshot(session, BigInt(text));
  try {
    return parseMoment(text, {
      timezone: session.config.timezone,
      nowMs: session.ports.clock.nowMs(),
    });
  } catch (thrown) {
    const near = nearestWord(text, tags.keys());
    const how =
      "write 2026-11-20 09:00, -2h, the name of a tag (tarn tag) or a snapshot id (tarn log)";
    throw new LakeError("usage", `"${text}" is neither a tag, a snapshot id nor a time`, {
      hint: near === null ? how : `did you mean "${near}"? ${how}`,
      cause: thrown,
    });
  }
}

/** Ids are drawn from 63 bits: shorter numbers are something else. */
const SNAPSHOT_ID = /^\d{15,19}$/;

async function timeOfSnapshot({ catalog }: MomentSource, id: bigint): Promise<number> {
  const [commit] = await catalog.commits({ snapshotId: id, limit: 1 });
  if (commit !== undefined) return commit.timeMs;
  throw new LakeError("not-found", `no commit of this lake made a snapshot ${id}`, {
    hint: "ids are in: tarn log --json, and in lake.snapshots",
  });
}

function printReplay(
  terminal: Terminal,
  replayed: Replayed,
  args: ReplayArgs,
  elapsedMs: number,
): void {
  const { style } = terminal;
  for (const table of replayed.tables) {
    const { diff } = table;
    const same = diff.added === 0n && diff.removed === 0n && diff.changed === 0n;
    const what = same
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
  const signs = { added: "+", removed: "-", changed: "~" } as const;
  for (const row of table.diff.sample) {
    const key = Object.entries(row.key).map(([name, value]) => `${name} ${value ?? "NULL"}`);
    const values = row.values.map((value) =>
      row.change === "changed"
        ? `${value.column} ${value.before ?? "NULL"} → ${value.after ?? "NULL"}`
        : `${value.column} ${(row.change === "added" ? value.after : value.before) ?? "NULL"}`,
    );
    const text = printable(`${signs[row.change]} ${[...key, ...values].join("   ")}`);
    terminal.line(`    ${terminal.style.dim(text.slice(0, terminal.width - 5))}`);
  }
}

function replayObject(replayed: Replayed, args: ReplayArgs): Json {
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
    from: { type: "string", valueHint: "TIME", description: "first instant of the range" },
    to: { type: "string", valueHint: "TIME", description: "end of the range, not included" },
    by: {
      type: "string",
      default: "_ingested_at",
      valueHint: "COLUMN",
      description: "column of the driving input that the range is over",
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
    "dry-run": { type: "boolean", description: "show what would change, write nothing" },
    why: { type: "string", valueHint: "TEXT", description: "kept with the commit" },
    limit: { type: "string", default: "5", valueHint: "N", description: "changed rows to show" },
  },
  examples: [
    "tarn replay silver.orders+ --dry-run",
    "tarn replay silver.orders+ --from 2026-11-01 --to 2026-11-15",
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
    return onEngine(invocation, "replay", {
      select: args._,
      from: args.from ?? null,
      to: args.to ?? null,
      by: args.by,
      at: args.at ?? null,
      promote: promotion(args),
      code: args.code,
      fromOriginals: args["from-originals"] === true,
      dryRun: args["dry-run"] === true,
      why: args.why ?? null,
      limit: countOf(args.limit),
    });
  },
});

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
