/** What a source is read with: server, settings, tables and position; refused where they do not fit. */

import { createHash } from "node:crypto";
import { refusal } from "../source-failure.ts";
import {
  type Cascade,
  type CatalogTable,
  Charsets,
  cascadesOf,
  isReadable,
  wantedTables,
} from "./catalog.ts";
import { Connection, databaseOf, type Target, targetOf } from "./connection.ts";
import type { Flavor } from "./gtid.ts";
import { epochOf, placeAt } from "./place.ts";
import { type Position, parsePosition } from "./position.ts";
import {
  flavorOf,
  identityOf,
  preparedOf,
  refuseGap,
  stateOf,
  type Variables,
  variablesOf,
} from "./server.ts";
import type { MysqlSettings } from "./settings.ts";

/** Everything that reading needs to know, asked once. */
export interface Setup {
  readonly target: Target;
  readonly flavor: Flavor;
  readonly version: string;
  readonly serverId: number;
  readonly hasChecksums: boolean;
  /** For statements; reads nothing of the log. */
  readonly control: Connection;
  readonly charsets: Charsets;
  readonly cascades: readonly Cascade[];
  /** Null before the first batch was committed. */
  readonly from: string | null;
  readonly position: Position;
  readonly published: readonly CatalogTable[];
  /** Where the log was when it was asked. */
  readonly goal: bigint;
}

/** A setting that reading needs. */
export interface NeededSetting {
  readonly name: string;
  readonly wanted: string;
  readonly is: string;
  readonly ok: boolean;
  /** What mends it. */
  readonly sql: string;
  /** True for one without which nothing is read. */
  readonly isVital: boolean;
}

/** What the server has to be set to, and is. */
export function neededSettings(variables: Variables, flavor: Flavor): readonly NeededSetting[] {
  const needs = (
    name: string,
    wanted: string,
    isVital: boolean,
    sql = `SET GLOBAL ${name} = ${wanted};`,
  ): NeededSetting => {
    const is = variables.get(name) ?? "missing";
    return { name, wanted, is, ok: is.toUpperCase() === wanted, sql, isVital };
  };
  const restart = "-- in the server's configuration, then restart it: log_bin = binlog";
  const shared = [
    needs("log_bin", "ON", true, restart),
    needs("binlog_format", "ROW", true),
    needs("binlog_row_image", "FULL", false),
    needs("binlog_row_metadata", "FULL", true),
    needs("binlog_checksum", "CRC32", false),
  ];
  if (flavor === "mariadb") return shared;
  const modes = ["OFF_PERMISSIVE", "ON_PERMISSIVE", "ON"].map(
    (mode) => `SET GLOBAL gtid_mode = ${mode};`,
  );
  const steps = ["SET GLOBAL enforce_gtid_consistency = ON;", ...modes].join(" ");
  return [
    ...shared,
    needs("gtid_mode", "ON", true, steps),
    needs("binlog_row_value_options", "", true, "SET GLOBAL binlog_row_value_options = '';"),
    needs("binlog_transaction_compression", "OFF", true),
  ];
}

/** By which the server knows who reads its log: the lake's own, unless settings say another. */
export function serverIdOf(settings: MysqlSettings, source: string, lakeId: string): number {
  if (settings.server_id !== null) return settings.server_id;
  const hash = createHash("sha256").update(`${lakeId} ${source}`).digest();
  // The upper half is not what people number their servers by.
  return 2 ** 31 + (hash.readUInt32BE(0) >>> 1);
}

/** Connects, and refuses what does not fit. Throws LakeError of scope `source`. */
export async function setUp(
  settings: MysqlSettings,
  stored: string | null,
  world: {
    readonly source: string;
    readonly lakeId: string;
    readonly projectRoot: string;
    readonly notice: (text: string) => void;
  },
): Promise<Setup> {
  const target = await targetOf(settings, world.projectRoot);
  const control = await Connection.open(target);
  try {
    const flavor = flavorOf(control);
    const variables = await variablesOf(control);
    refuseSettings(variables, flavor);
    const before = stored === null ? null : parsePosition(stored);
    const isNew = before === null || before.isAnew;
    if (before !== null && !isNew && settings.snapshot !== "only") await refuseGap(control, before);
    const published = await readableTables(control, settings, world.notice);
    // What is prepared where the log is now was so before it was asked, or is so after.
    const prepared = isNew ? await namesPrepared(control) : [];
    const state = await stateOf(control);
    if (isNew) prepared.push(...(await namesPrepared(control)));
    const server = identityOf(variables);
    const epoch = epochAfter(before, server, state.place);
    const fresh = {
      flavor,
      gtids: state.gtids,
      lsn: placeAt(epoch, state.place),
      prepared: [...new Set(prepared)].map((xid) => ({ xid, sha256: null, sizeBytes: 0 })),
      isAnew: false,
    };
    const { tables = {}, pending = [] } = before ?? {};
    const position = isNew
      ? { ...fresh, server, tables, pending }
      : { ...before, server, lsn: before.lsn };
    return {
      target,
      flavor,
      version: control.version,
      serverId: serverIdOf(settings, world.source, world.lakeId),
      hasChecksums: variables.get("binlog_checksum") === "CRC32",
      control,
      charsets: await Charsets.of(control),
      cascades: await cascadesOf(control, published),
      from: isNew && before === null ? null : stored,
      position,
      published,
      goal: placeAt(epoch, state.place),
    };
  } catch (thrown) {
    control.destroy();
    throw thrown;
  }
}

/** None where one may not ask. */
async function namesPrepared(control: Connection): Promise<string[]> {
  return [...(await preparedOf(control).catch(() => []))];
}

/** Tables that are wanted and can be read; it is said of the others that they are left out. */
export async function readableTables(
  control: Connection,
  settings: MysqlSettings,
  notice: (text: string) => void,
): Promise<readonly CatalogTable[]> {
  const wanted = await wantedTables(control, settings.tables, databaseOf(settings));
  for (const { schema, table, type } of wanted.filter((one) => !isReadable(one))) {
    if (type !== "SEQUENCE")
      notice(`${schema}.${table} is left out: it is a table of type ${type}`);
  }
  return wanted.filter(isReadable);
}

/** Places sort as what was read is ordered: in another log, or one that began anew, they are of the next epoch. */
function epochAfter(
  before: Position | null,
  server: string,
  place: Parameters<typeof placeAt>[1],
): bigint {
  if (before === null) return 1n;
  const epoch = epochOf(before.lsn);
  const isSame = before.server === server && placeAt(epoch, place) >= before.lsn;
  return isSame ? epoch : epoch + 1n;
}

function refuseSettings(variables: Variables, flavor: Flavor): void {
  const bad = neededSettings(variables, flavor).find(({ ok, isVital }) => !ok && isVital);
  if (bad === undefined) return;
  const isMissing = bad.is === "missing" && bad.name !== "log_bin";
  if (isMissing) {
    throw refusal(
      "unsupported",
      `the server has no ${bad.name}: it is too old`,
      "MariaDB 10.5 or newer, MySQL 8.0 or newer",
    );
  }
  throw refusal(
    "config",
    `the server's ${bad.name} is ${bad.is || "empty"}, and ${bad.wanted || "nothing"} is needed`,
    `as an administrator: ${bad.sql}`,
  );
}
