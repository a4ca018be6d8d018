/** What a server says of itself: who it is, where its log is, what was read of it, what it is set to. */

import { gapError, refusal } from "../source-failure.ts";
import { type Connection, quoteText } from "./connection.ts";
import { READ_ANEW } from "./failure.ts";
import { DomainState, domainGtids, domainText, type Flavor, IntervalSet } from "./gtid.ts";
import type { LogPlace } from "./place.ts";
import type { Position } from "./position.ts";

export interface ServerState {
  readonly place: LogPlace;
  /** All transactions up to the place. */
  readonly gtids: string;
}

/** Settings of the server by name, in small letters; those that it does not have are missing. */
export type Variables = ReadonlyMap<string, string>;

const VARIABLES = [
  "log_bin",
  "binlog_format",
  "binlog_row_image",
  "binlog_row_metadata",
  "binlog_row_value_options",
  "binlog_checksum",
  "binlog_transaction_compression",
  "gtid_mode",
  "gtid_strict_mode",
  "server_id",
  "server_uuid",
  "hostname",
  "port",
  "expire_logs_days",
  "binlog_expire_logs_seconds",
  "max_connections",
] as const;

export function flavorOf(control: Connection): Flavor {
  return control.isMariaDb ? "mariadb" : "mysql";
}

export async function variablesOf(control: Connection): Promise<Variables> {
  const list = VARIABLES.map(quoteText).join(", ");
  const rows = await control.rows(
    `SHOW GLOBAL VARIABLES WHERE Variable_name IN (${list})`,
    "ask for the settings of the server",
  );
  return new Map(rows.map(([name, value]) => [`${name}`.toLowerCase(), `${value ?? ""}`]));
}

/** How the server is told from others. MariaDB has no number of its own that no other has. */
export function identityOf(variables: Variables): string {
  const uuid = variables.get("server_uuid");
  if (uuid !== undefined && uuid !== "") return uuid;
  const [host, port, id] = ["hostname", "port", "server_id"].map((name) => variables.get(name));
  return `${host}:${port}/${id}`;
}

/** Where the log is now. Throws `config` where there is none. */
export async function stateOf(control: Connection): Promise<ServerState> {
  const doing = "ask where the log is";
  const [row] = await control
    .rows("SHOW MASTER STATUS", doing)
    // MySQL 8.4 has the statement under this name alone.
    .catch(() => control.rows("SHOW BINARY LOG STATUS", doing));
  const [file, byte, , , executed] = row ?? [];
  if (row === undefined || file === undefined || file === null) {
    throw refusal("config", "the server writes no binary log", "start it with log_bin");
  }
  const place = { file, byte: Number(byte) };
  return { place, gtids: executed?.replace(/\s/g, "") ?? (await gtidsAt(control, place)) };
}

/** MariaDB: which transactions are in the log up to a place. */
export async function gtidsAt(control: Connection, { file, byte }: LogPlace): Promise<string> {
  const [row] = await control.rows(
    `SELECT BINLOG_GTID_POS(${quoteText(file)}, ${byte})`,
    "ask which transactions are in the log",
  );
  return row?.[0] ?? "";
}

/** Names of transactions that are prepared, and neither committed nor taken back. */
export async function preparedOf(control: Connection): Promise<readonly string[]> {
  const doing = "look for prepared transactions";
  if (control.isMariaDb) {
    const rows = await control.rows("XA RECOVER FORMAT='SQL'", doing);
    return rows.map(([, , , xid]) => xidText(`${xid}`));
  }
  const rows = await control.rows("XA RECOVER CONVERT XID", doing);
  return rows.map(([format, own, , data]) => {
    const hex = `${data}`.replace(/^0x/i, "").toLowerCase();
    const cut = 2 * Number(own);
    return `X'${hex.slice(0, cut)}',X'${hex.slice(cut)}',${format}`;
  });
}

/** As the log has it: both parts in hexadecimal. */
function xidText(sql: string): string {
  const parts = [...sql.matchAll(/X?'((?:[^'\\]|\\.|'')*)'/gi)].map(([whole, inner = ""]) =>
    /^X/i.test(whole)
      ? inner.toLowerCase()
      : Buffer.from(inner.replaceAll("''", "'")).toString("hex"),
  );
  const format = /,\s*(\d+)\s*$/.exec(sql)?.[1] ?? "1";
  return `X'${parts[0] ?? ""}',X'${parts[1] ?? ""}',${format}`;
}

/**
 * Throws when the server cannot send what follows the position: it does not know what was read, was taken back, or its
 * log begins later.
 */
export async function refuseGap(control: Connection, position: Position): Promise<void> {
  if (position.flavor !== flavorOf(control)) {
    throw gapError(
      `the server is ${control.version}, and what was read was of ${position.flavor}`,
      { from: position.gtids, to: null },
      READ_ANEW,
    );
  }
  if (position.flavor === "mariadb") await refuseMariaGap(control, position.gtids);
  else await refuseMysqlGap(control, position.gtids);
}

async function refuseMariaGap(control: Connection, read: string): Promise<void> {
  const [row] = await control.rows(
    "SELECT @@global.gtid_binlog_state, @@global.gtid_binlog_pos",
    "ask which transactions the server knows",
  );
  const state = domainGtids(row?.[0] ?? "");
  const ends = DomainState.of(row?.[1] ?? "");
  for (const gtid of domainGtids(read)) {
    const text = domainText(gtid);
    const inDomain = state.filter(({ domain }) => domain === gtid.domain);
    const ofServer = inDomain.find(({ server }) => server === gtid.server);
    const end = ends.gtids.find(({ domain }) => domain === gtid.domain);
    if (inDomain.length === 0 || end === undefined) {
      throw gapError(
        `the server knows nothing of domain ${gtid.domain}: it is another one, or its log was reset`,
        { from: text, to: null },
        `correct host and port, or ${READ_ANEW}`,
      );
    }
    if (ofServer === undefined || ofServer.sequence < gtid.sequence) {
      throw gapError(
        `the server was taken back, or is another one: its log ends with ${domainText(end)}, the lake has read ${text}`,
        { from: domainText(end), to: text },
        `correct host and port, or ${READ_ANEW}`,
      );
    }
  }
}

async function refuseMysqlGap(control: Connection, read: string): Promise<void> {
  const [row] = await control.rows(
    "SELECT @@global.gtid_executed, @@global.gtid_purged",
    "ask which transactions the server knows",
  );
  const own = IntervalSet.of(read);
  const executed = IntervalSet.of(row?.[0] ?? "");
  const purged = IntervalSet.of(row?.[1] ?? "");
  if (!executed.holds(own)) {
    throw gapError(
      "the server was taken back, or is another one: it does not know all that was read",
      { from: executed.text, to: own.text },
      `correct host and port, or ${READ_ANEW}`,
    );
  }
  if (!own.holds(purged)) {
    throw gapError(
      "the server has removed log that was not read",
      { from: own.text, to: purged.text },
      `let it keep its log longer (binlog_expire_logs_seconds), and ${READ_ANEW}`,
    );
  }
}
