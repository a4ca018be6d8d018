/** The replication slot: made, looked at, and compared with how far the lake has read. */

import { gapError, refusal } from "../source-failure.ts";
import { type Connection, quoteName, quoteText } from "./connection.ts";
import { formatLsn, parseLsn } from "./lsn.ts";
import type { Position } from "./position.ts";

export interface ServerIdentity {
  readonly system: string;
  readonly timeline: number;
  /** Where its log is. */
  readonly lsn: bigint;
  readonly database: string;
}

export interface SlotState {
  readonly plugin: string;
  readonly database: string;
  /** The process that reads it; null when nobody does. */
  readonly activePid: string | null;
  readonly confirmed: bigint | null;
  /** `reserved`, `extended`, `unreserved` or `lost`. */
  readonly walStatus: string;
  readonly twoPhase: boolean;
  /** Why the server gave it up, where it says so. */
  readonly invalidation: string | null;
  readonly retainedBytes: number;
  readonly temporary: boolean;
}

/** A slot that was just made, with the rows as of its beginning for as long as its connection is not used. */
export interface NewSlot {
  readonly at: bigint;
  readonly snapshot: string;
}

const INVALIDATION_SINCE = 17;
const FAILOVER_SINCE = 17;
const OPTIONS_SINCE = 15;

export async function identify(replication: Connection): Promise<ServerIdentity> {
  const [row] = await replication.rows("IDENTIFY_SYSTEM", "ask the server who it is");
  const [system, timeline, lsn, database] = row ?? [];
  return {
    system: `${system}`,
    timeline: Number(timeline),
    lsn: parseLsn(`${lsn}`),
    database: `${database}`,
  };
}

/** The slot as the server shows it; null when there is none. */
export async function slotState(
  connection: Connection,
  slot: string,
  major: number,
): Promise<SlotState | null> {
  const reason = major >= INVALIDATION_SINCE ? "invalidation_reason" : "NULL";
  const [row] = await connection.rows(
    `SELECT plugin, coalesce(database, ''), active_pid, confirmed_flush_lsn, coalesce(wal_status, ''), two_phase,
        ${reason}, coalesce(pg_wal_lsn_diff(CASE WHEN pg_is_in_recovery() THEN pg_last_wal_receive_lsn()
          ELSE pg_current_wal_lsn() END, restart_lsn), 0), temporary
      FROM pg_replication_slots WHERE slot_name = ${quoteText(slot)}`,
    "look at the replication slot",
  );
  if (row === undefined) return null;
  const [plugin, database, pid, confirmed, walStatus, twoPhase, invalidation, retained, temp] = row;
  return {
    plugin: `${plugin}`,
    database: `${database}`,
    activePid: pid ?? null,
    confirmed: confirmed === null || confirmed === undefined ? null : parseLsn(confirmed),
    walStatus: `${walStatus}`,
    twoPhase: twoPhase === "t",
    invalidation: invalidation ?? null,
    retainedBytes: Number(retained),
    temporary: temp === "t",
  };
}

/**
 * Makes a slot with an exported snapshot. Waits for every transaction of the cluster that is open and has written, in
 * other databases too: `blockersOf` says which.
 */
export async function makeSlot(
  replication: Connection,
  slot: string,
  how: { readonly temporary: boolean; readonly failover: boolean; readonly major: number },
): Promise<NewSlot> {
  const kind = how.temporary ? " TEMPORARY" : "";
  const failover = how.failover && how.major >= FAILOVER_SINCE ? ", FAILOVER" : "";
  const options = how.major >= OPTIONS_SINCE ? `(SNAPSHOT 'export'${failover})` : "EXPORT_SNAPSHOT";
  const [row] = await replication.rows(
    `CREATE_REPLICATION_SLOT ${quoteName(slot)}${kind} LOGICAL pgoutput ${options}`,
    "make the replication slot",
  );
  const [, at, snapshot] = row ?? [];
  return { at: parseLsn(`${at}`), snapshot: `${snapshot}` };
}

/** Who keeps a slot from being made: transactions that have written and are open. */
export async function blockersOf(connection: Connection): Promise<readonly string[]> {
  const rows = await connection.rows(
    `SELECT pid, coalesce(datname, ''), coalesce(usename, ''), coalesce(application_name, ''),
        date_trunc('second', xact_start)
      FROM pg_stat_activity WHERE backend_xid IS NOT NULL AND pid <> pg_backend_pid()
      UNION ALL SELECT NULL, database, owner, 'prepared as ' || gid, date_trunc('second', prepared)
      FROM pg_prepared_xacts`,
    "look for open transactions",
  );
  return rows.map(([pid, database, user, application, since]) => {
    const process = pid === null ? "a prepared transaction" : `process ${pid}`;
    return `${process} of ${user} in ${database} (${application}), since ${since}`;
  });
}

/** Throws when a slot cannot be read at all, whatever the position is. */
export function refuseSlot(slot: string, state: SlotState, database: string): void {
  if (state.plugin !== "pgoutput") {
    throw refusal(
      "config",
      `slot ${slot} is of plugin ${state.plugin}, not of pgoutput`,
      "name another slot: one that is not there is made",
    );
  }
  if (state.database !== database) {
    throw refusal(
      "config",
      `slot ${slot} is of database ${state.database}, not of ${database}`,
      "name another slot: one that is not there is made",
    );
  }
  if (state.twoPhase) {
    throw refusal(
      "config",
      `slot ${slot} is one with two_phase, which sends transactions before they are committed`,
      "name another slot: one that is not there is made without it",
    );
  }
}

const AHEAD_HINT =
  "the lake holds changes that the database does not have any more; " +
  "read its tables anew: tarn source resnapshot NAME";

/**
 * Throws when the server cannot send what follows the position: it is another server, its log was taken back, or the
 * slot is gone, made again, given up by the server, or was read by somebody else.
 */
export async function refuseGap(
  replication: Connection,
  position: Position,
  server: ServerIdentity,
  state: SlotState | null,
): Promise<void> {
  const from = formatLsn(position.lsn);
  if (position.system !== server.system) {
    throw gapError(
      `the server is another one (system ${server.system}, not ${position.system})`,
      { from, to: null },
      "correct host and port; if the database moved for good, read its tables anew: tarn source resnapshot NAME",
    );
  }
  await refuseOtherTimeline(replication, position, server);
  if (position.lsn > server.lsn) {
    throw gapError(
      `the server was taken back: its log is at ${formatLsn(server.lsn)}, the lake has read up to ${from}`,
      { from: formatLsn(server.lsn), to: from },
      AHEAD_HINT,
    );
  }
  const again = "read its tables anew: tarn source resnapshot NAME";
  if (state === null) {
    throw gapError(
      `slot ${position.slot} is gone`,
      { from, to: formatLsn(server.lsn) },
      `somebody dropped it; ${again}`,
    );
  }
  if (state.walStatus === "lost" || state.invalidation !== null) {
    const why = state.invalidation ?? "its log was removed";
    throw gapError(
      `the server gave slot ${position.slot} up (${why})`,
      { from, to: formatLsn(server.lsn) },
      `raise max_slot_wal_keep_size, and ${again}`,
    );
  }
  if (state.confirmed === null || state.confirmed > position.lsn) {
    const to = state.confirmed === null ? null : formatLsn(state.confirmed);
    throw gapError(
      `slot ${position.slot} begins behind what the lake has read: it was made again, or somebody else read it`,
      { from, to },
      `each lake needs a slot of its own; ${again}`,
    );
  }
}

/** A standby that took over goes on with our log where that is below the point at which it did. */
async function refuseOtherTimeline(
  replication: Connection,
  position: Position,
  server: ServerIdentity,
): Promise<void> {
  if (server.timeline === position.timeline) return;
  const from = formatLsn(position.lsn);
  const hint = AHEAD_HINT;
  if (server.timeline < position.timeline) {
    throw gapError(
      `the server was taken back: it is on timeline ${server.timeline}, not on ${position.timeline}`,
      { from, to: null },
      hint,
    );
  }
  const [row] = await replication.rows(
    `TIMELINE_HISTORY ${server.timeline}`,
    "read the server's history",
  );
  const left = leftAt(row?.[1] ?? "", position.timeline);
  if (left !== null && position.lsn <= left) return;
  const at = left === null ? "a place that it does not know" : formatLsn(left);
  throw gapError(
    `the server was taken back: it left timeline ${position.timeline} at ${at}, the lake has read up to ${from}`,
    { from: left === null ? from : formatLsn(left), to: left === null ? null : from },
    hint,
  );
}

/** Where a timeline was left, by the lines of a history file; null when it is none of its ancestors. */
function leftAt(history: string, timeline: number): bigint | null {
  const text = history.startsWith("\\x")
    ? Buffer.from(history.slice(2), "hex").toString("utf8")
    : history;
  for (const line of text.split("\n")) {
    const match = /^\s*(\d+)\s+([0-9A-F]+\/[0-9A-F]+)/i.exec(line);
    if (match !== null && Number(match[1]) === timeline) return parseLsn(`${match[2]}`);
  }
  return null;
}
