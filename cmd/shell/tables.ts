/** What the shell's own commands ask of the lake: its tables, their snapshots, a moment. */

import { counted } from "../../core/base/quantity.ts";
import { deletedRows, liveRows } from "../../core/table/live.ts";
import {
  type ResultColumn,
  type ResultSet,
  resultOf,
  type ValueType,
} from "../../sql/query/result.ts";
import type { ShellLake } from "../../sql/shell/shell.ts";
import { aboutCount, agoText } from "../format/numbers.ts";
import { type Listed, type ListedSnapshot, listingOf, snapshotsOf } from "../lake/listing.ts";
import { shownMoment } from "../lake/moments.ts";
import type { Session } from "../open.ts";
import type { LazyLake } from "./lake.ts";

/** Opens the lake with the first command that needs it. */
export function shellLake(lake: LazyLake): ShellLake {
  return {
    tableLines: async (pattern) => tableLines(await lake.need(), pattern),
    snapshots: async (name) => snapshotRows(await snapshotsOf(await lake.need(), name)),
    moment: async (text) => shownMoment(await lake.need(), text),
  };
}

async function tableLines(session: Session, pattern: string | null): Promise<string[]> {
  const nowMs = session.ports.clock.nowMs();
  const matches = pattern === null ? () => true : patternMatch(pattern);
  const shown = (await listingOf(session))
    .filter(
      ({ name, kind, snapshotCount }) =>
        matches(name) && (kind === "view" || snapshotCount !== null),
    )
    .sort((a, b) => order(a.name) - order(b.name) || (a.name < b.name ? -1 : 1));
  const width = Math.max(0, ...shown.map(({ name }) => name.length));
  return shown.map((each) => `  ${each.name.padEnd(width)}   ${facts(each, nowMs)}`);
}

/** Bronze first, gold last: the way data flows. */
function order(name: string): number {
  const layer = ["bronze", "silver", "gold"].indexOf(name.split(".")[0] ?? "");
  return layer < 0 ? 3 : layer;
}

function facts({ kind, rows, updatedMs, snapshotCount }: Listed, nowMs: number): string {
  if (kind === "view") return "view";
  if (updatedMs === null) return "no rows yet";
  const some = rows === null ? "" : `${aboutCount(rows)} ${rows === 1n ? "row" : "rows"} · `;
  return `${some}${agoText(nowMs - updatedMs)} · ${counted(snapshotCount ?? 0, "snapshot")}`;
}

/** `*` and `?` as in a shell, `%` and `_` not: table names have underscores. A plain word may stand anywhere. */
function patternMatch(pattern: string): (name: string) => boolean {
  const escaped = pattern
    .replace(/[.+^${}()|[\]\\]/g, "\\$&")
    .replaceAll("*", ".*")
    .replaceAll("?", ".");
  const isPlain = !/[*?]/.test(pattern);
  const wanted = new RegExp(isPlain ? escaped : `^(.*\\.)?${escaped}$`, "i");
  return (name) => wanted.test(name);
}

const LONG: ValueType = { kind: "integer", bits: 64, signed: true, text: "int64" };
const TEXT: ValueType = { kind: "string", text: "varchar" };
const INSTANT: ValueType = {
  kind: "timestamp",
  unit: "ms",
  zoned: true,
  text: "timestamp with time zone",
};

const SNAPSHOT_COLUMNS: readonly ResultColumn[] = [
  { name: "version", type: LONG },
  { name: "snapshot_id", type: LONG },
  { name: "committed_at", type: INSTANT },
  { name: "operation", type: TEXT },
  { name: "added", type: LONG },
  { name: "deleted", type: LONG },
  { name: "rows", type: LONG },
  { name: "refs", type: TEXT },
];

function snapshotRows(snapshots: readonly ListedSnapshot[]): ResultSet {
  const rows = snapshots.map(({ snapshot, refs }) => {
    const count = (key: string) => {
      const text = snapshot.summary[key];
      return text === undefined ? null : BigInt(text);
    };
    return [
      snapshot.sequenceNumber,
      snapshot.snapshotId,
      BigInt(snapshot.timestampMs),
      snapshot.operation,
      count("added-records"),
      deletedRows(snapshot),
      liveRows(snapshot),
      refs.length === 0 ? null : refs.join(", "),
    ];
  });
  return resultOf(SNAPSHOT_COLUMNS, rows);
}
