/** What a source is read with: server, publication, slot and position; made where they are not there, else compared. */

import { LakeError } from "../../../core/base/errors.ts";
import type { Clock, Random } from "../../../core/ports.ts";
import { gapError, refusal } from "../source-failure.ts";
import { Connection, quoteText, type Target, targetOf } from "./connection.ts";
import { formatLsn, parseLsn } from "./lsn.ts";
import { type Position, parsePosition } from "./position.ts";
import {
  addWanted,
  makePublication,
  type PublishedTable,
  publishedTables,
  tableChoice,
} from "./publication.ts";
import type { PostgresSettings } from "./settings.ts";
import {
  blockersOf,
  identify,
  makeSlot,
  type NewSlot,
  refuseGap,
  refuseSlot,
  type ServerIdentity,
  slotState,
} from "./slot.ts";

/** Names that are ours unless settings say others. */
export interface Names {
  readonly publication: string;
  readonly slot: string;
}

/** Everything that reading needs to know, asked once. */
export interface Setup {
  readonly target: Target;
  readonly names: Names;
  readonly major: number;
  readonly version: string;
  readonly server: ServerIdentity;
  /** For statements; reads nothing of the stream. */
  readonly control: Connection;
  /** Null before the first batch was committed. */
  readonly from: string | null;
  readonly position: Position;
  readonly published: readonly PublishedTable[];
  /** The slot that was just made, on the connection that keeps its snapshot. */
  readonly fresh: { readonly slot: NewSlot; readonly connection: Connection } | null;
}

const MAJOR_MIN = 14;
const NAME_CHARS_MAX = 63;
const LAKE_CHARS = 8;
/** How long a slot may take to be made before it is said what is waited for. */
const PATIENCE_MS = 2_000;

/** Publication and slot of a source: the slot's name holds part of the lake's id, for two lakes never share one. */
export function namesOf(settings: PostgresSettings, source: string, lakeId: string): Names {
  const plain = source.toLowerCase().replace(/[^a-z0-9_]/g, "_");
  const lake = lakeId
    .toLowerCase()
    .replace(/[^a-z0-9]/g, "")
    .slice(0, LAKE_CHARS);
  const room = NAME_CHARS_MAX - LAKE_CHARS - "tarn__".length;
  return {
    publication: settings.publication ?? `tarn_${plain.slice(0, room)}`,
    slot: settings.slot ?? `tarn_${plain.slice(0, room)}_${lake}`,
  };
}

/** Connects, makes what is missing, and refuses what does not fit. Throws LakeError of scope `source`. */
export async function setUp(
  settings: PostgresSettings,
  stored: string | null,
  world: {
    readonly source: string;
    readonly lakeId: string;
    readonly projectRoot: string;
    readonly clock: Clock;
    readonly notice: (text: string) => void;
  },
): Promise<Setup> {
  const target = await targetOf(settings, world.projectRoot);
  const opened: Connection[] = [];
  const open = async (kind: "plain" | "replication") => {
    const connection = await Connection.open(target, kind);
    opened.push(connection);
    return connection;
  };
  try {
    const control = await open("plain");
    const { major, version } = await versionOf(control);
    const replication = await open("replication");
    const server = await identify(replication);
    const names = namesOf(settings, world.source, world.lakeId);
    const common = { target, names, major, version, server, control, from: stored };
    const position = stored === null ? null : parsePosition(stored);
    if (position === null || position.isAnew) {
      await refuseWalLevel(control);
      if (position !== null) await giveUp(control, position, server);
      const published = await ownPublication(
        control,
        settings,
        names.publication,
        major,
        world.notice,
      );
      const slot = await ownSlot(control, replication, settings, { ...common, ...world });
      if (slot.fresh === null) await replication.close();
      const { tables = {}, pending = [] } = position ?? {};
      return { ...common, published, ...slot, position: { ...slot.position, tables, pending } };
    }
    if (settings.snapshot !== "only") {
      const found = await slotState(control, position.slot, major);
      await refuseGap(replication, position, server, found);
      if (found !== null) refuseSlot(position.slot, found, target.database);
    }
    await replication.close();
    const published = await publishedOf(
      control,
      settings,
      names.publication,
      position.lsn,
      major,
      world.notice,
    );
    return {
      ...common,
      published,
      position: { ...position, timeline: server.timeline },
      fresh: null,
    };
  } catch (thrown) {
    for (const connection of opened) connection.destroy();
    throw thrown;
  }
}

/** Throws `unsupported` for a server that is too old. */
export async function versionOf(
  control: Connection,
): Promise<{ readonly major: number; readonly version: string }> {
  const [row] = await control.rows(
    "SELECT current_setting('server_version_num'), current_setting('server_version')",
    "ask for the server's version",
  );
  const major = Math.floor(Number(row?.[0]) / 10_000);
  const version = `${row?.[1]}`;
  if (major >= MAJOR_MIN) return { major, version };
  throw refusal(
    "unsupported",
    `the server is PostgreSQL ${version}, and ${MAJOR_MIN} is the oldest that is read`,
    `upgrade it to ${MAJOR_MIN} or newer`,
  );
}

/**
 * Tables of the publication that are wanted; one of ours gets those that were made since. Throws when there is none any
 * more: what changed since is lost.
 */
export async function publishedOf(
  control: Connection,
  settings: PostgresSettings,
  publication: string,
  since: bigint,
  major: number,
  notice: (text: string) => void,
): Promise<readonly PublishedTable[]> {
  let published = await publishedTables(control, publication, major);
  if (published !== null && settings.publication === null) {
    await addTables(control, settings, publication, major, notice);
    published = await publishedTables(control, publication, major);
  }
  if (published === null) {
    throw gapError(
      `publication ${publication} is gone`,
      { from: formatLsn(since), to: null },
      "make it again for its tables, and read them anew: tarn source resnapshot NAME",
    );
  }
  const choice = tableChoice(settings.tables);
  return published.filter(({ schema, table }) => choice(schema, table));
}

/** Tables that were made since. A role that may not add them is told so, and reads on what there is. */
async function addTables(
  control: Connection,
  settings: PostgresSettings,
  publication: string,
  major: number,
  notice: (text: string) => void,
): Promise<void> {
  try {
    for (const { name, detail } of await addWanted(control, publication, settings.tables, major)) {
      notice(`${name} is left out: ${detail}`);
    }
  } catch (thrown) {
    if (!(thrown instanceof LakeError) || thrown.code !== "config") throw thrown;
    notice(`tables are left out: ${thrown.message}`);
  }
}

/** Makes a slot, and says what is waited for when that takes time. */
export async function makeSlotPatiently(
  replication: Connection,
  control: Connection,
  slot: string,
  how: Parameters<typeof makeSlot>[2],
  world: { readonly clock: Clock; readonly notice: (text: string) => void },
): Promise<NewSlot> {
  const made = new AbortController();
  const told = world.clock.sleep(PATIENCE_MS, made.signal).then(async () => {
    if (made.signal.aborted) return;
    const blockers = await blockersOf(control).catch(() => []);
    world.notice(`slot ${slot} waits for open transactions: ${blockers.join("; ") || "unknown"}`);
  });
  try {
    return await makeSlot(replication, slot, how);
  } finally {
    made.abort();
    await told;
  }
}

/** A slot that ends with its connection, for rows as of now. */
export async function temporarySlot(
  setup: Pick<Setup, "target" | "control" | "major">,
  world: {
    readonly clock: Clock;
    readonly random: Random;
    readonly notice: (text: string) => void;
  },
): Promise<NonNullable<Setup["fresh"]>> {
  const { target, control, major } = setup;
  const connection = await Connection.open(target, "replication");
  const name = `tarn_read_${world.random.uuid().replaceAll("-", "")}`;
  const how = { temporary: true, failover: false, major };
  try {
    return {
      slot: await makeSlotPatiently(connection, control, name, how, world),
      connection,
    };
  } catch (thrown) {
    connection.destroy();
    throw thrown;
  }
}

/** The gap that keeps a source from going on behind a position; null when there is none, or the server does not say. */
export async function gapBehind(
  setup: Setup,
  settings: PostgresSettings,
  position: Position,
): Promise<LakeError | null> {
  const { target, control, major, names } = setup;
  try {
    const replication = await Connection.open(target, "replication");
    try {
      const server = await identify(replication);
      const state = await slotState(control, position.slot, major);
      await refuseGap(replication, position, server, state);
      await publishedOf(control, settings, names.publication, position.lsn, major, () => {});
    } finally {
      await replication.close();
    }
    return null;
  } catch (found) {
    return found instanceof LakeError && found.code === "conflict" ? found : null;
  }
}

/** Where the server's log is now, also of one that follows another. */
export async function currentLsn(control: Connection): Promise<bigint> {
  const [row] = await control.rows(
    `SELECT CASE WHEN pg_is_in_recovery() THEN pg_last_wal_receive_lsn() ELSE pg_current_wal_lsn() END`,
    "ask where the log is",
  );
  return parseLsn(`${row?.[0]}`);
}

async function ownPublication(
  control: Connection,
  settings: PostgresSettings,
  publication: string,
  major: number,
  notice: (text: string) => void,
): Promise<readonly PublishedTable[]> {
  const found = await publishedTables(control, publication, major);
  if (found === null) await makePublication(control, publication, settings.tables, major);
  return publishedOf(control, settings, publication, 0n, major, notice);
}

/** One that is there already is ours from a set-up that did not end, or the user's: it is read from where it is. */
async function ownSlot(
  control: Connection,
  replication: Connection,
  settings: PostgresSettings,
  given: {
    readonly names: Names;
    readonly major: number;
    readonly server: ServerIdentity;
    readonly target: Target;
    readonly clock: Clock;
    readonly notice: (text: string) => void;
  },
): Promise<Pick<Setup, "position" | "fresh">> {
  const { names, major, server, target } = given;
  const { system, timeline } = server;
  const start = (lsn: bigint): Position => ({
    system,
    timeline,
    database: target.database,
    slot: names.slot,
    lsn,
    tables: {},
    pending: [],
    isAnew: false,
  });
  const found = await slotState(control, names.slot, major);
  if (found === null) {
    const how = { temporary: settings.snapshot === "only", failover: settings.failover, major };
    const slot = await makeSlotPatiently(replication, control, names.slot, how, given);
    return { position: start(slot.at), fresh: { slot, connection: replication } };
  }
  refuseSlot(names.slot, found, target.database);
  if (found.confirmed === null) {
    throw refusal(
      "io",
      `slot ${names.slot} is still being made by process ${found.activePid ?? "unknown"}`,
      "wait for it, or end that process: SELECT pg_terminate_backend(pid)",
    );
  }
  const position = start(found.confirmed);
  await refuseGap(replication, position, server, found);
  return { position, fresh: null };
}

/**
 * The slot of a position that is not gone on from goes. Throws where what comes now would sort before what came: the
 * order of a feed is that of the log.
 */
async function giveUp(
  control: Connection,
  { slot, lsn }: Position,
  server: ServerIdentity,
): Promise<void> {
  if (server.lsn < lsn) {
    throw refusal(
      "unsupported",
      `the server's log is at ${formatLsn(server.lsn)}, behind ${formatLsn(lsn)} that the lake has read`,
      "what it sends would count as older: give the source another name in tarn.yaml, and its models with it",
    );
  }
  const found = `SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots
    WHERE slot_name = ${quoteText(slot)} AND NOT active`;
  await control.rows(found, "drop the old slot");
}

async function refuseWalLevel(control: Connection): Promise<void> {
  const [row] = await control.rows("SELECT current_setting('wal_level')", "ask for wal_level");
  if (row?.[0] === "logical") return;
  throw refusal(
    "config",
    `the server's wal_level is ${row?.[0]}, and logical is needed`,
    "as a superuser: ALTER SYSTEM SET wal_level = logical; then restart the server",
  );
}
