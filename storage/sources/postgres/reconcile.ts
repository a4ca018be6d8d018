/** Counts keys of tables as of one place in the log, for comparing them with what was delivered. */

import type { Counted, CountedTable, Windows } from "../../../core/ingest/reconcile.ts";
import type { DiscoverWorld } from "../../../core/ingest/source-kind.ts";
import { Connection, quoteName, quoteText, targetOf } from "./connection.ts";
import { formatLsn, sortableLsn } from "./lsn.ts";
import { parsePosition } from "./position.ts";
import type { PostgresSettings } from "./settings.ts";
import { temporarySlot, versionOf } from "./setup.ts";

const WINDOWS = 256n;
/** Differences of numbers that doubles divide alike on both sides. */
const RANGE_MAX = 1n << 52n;
const KEYS_MAX = 100_000;
/** int8, int2, int4; then text, varchar and uuid: their texts are the same wherever they are written. */
const WHOLE = ["20", "21", "23"];
const TEXTS = ["25", "1043", "2950"];
const DOING = "count the keys";

/** Tables by `schema.table`. Throws LakeError. */
export async function countTables(
  settings: PostgresSettings,
  names: readonly string[],
  world: DiscoverWorld,
): Promise<Counted> {
  const target = await targetOf(settings, world.projectRoot);
  const control = await Connection.open(target, "plain");
  const reader = await Connection.open(target, "plain");
  try {
    const { major } = await versionOf(control);
    const notices = { clock: world.clock, random: world.random, notice: () => {} };
    const { slot, connection } = await temporarySlot({ target, control, major }, notices);
    await reader.rows("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY", DOING);
    await reader.rows(`SET TRANSACTION SNAPSHOT ${quoteText(slot.snapshot)}`, DOING);
    connection.destroy();
    const tables: CountedTable[] = [];
    const leftOut: Counted["leftOut"][number][] = [];
    for (const name of names) {
      const counted = await countTable(reader, name);
      if (typeof counted === "string") leftOut.push({ table: name, why: counted });
      else tables.push(counted);
    }
    return {
      until: sortableLsn(slot.at + 1n),
      at: formatLsn(slot.at),
      tables,
      leftOut,
      isReached: (position) => parsePosition(position).lsn >= slot.at,
      keysOf: async ({ table, key, windows }, window) => {
        const sql = `SELECT ${keyText(key)} FROM ${quoted(table)}
          WHERE ${windowOf(windows, key)} = ${quoteText(window)} ORDER BY 1 LIMIT ${KEYS_MAX}`;
        return (await reader.rows(sql, DOING)).map(([text]) => text ?? "");
      },
      close: async () => {
        await reader.close();
        await control.close();
      },
    };
  } catch (thrown) {
    await reader.close();
    await control.close();
    throw thrown;
  }
}

/** The sums of a table, or why there are none. */
async function countTable(reader: Connection, table: string): Promise<CountedTable | string> {
  const columns = await reader.rows(
    `SELECT a.attname, a.atttypid FROM pg_index i JOIN pg_attribute a
        ON a.attrelid = i.indrelid AND a.attnum = ANY (i.indkey)
      WHERE i.indrelid = to_regclass(${quoteText(quoted(table))}) AND i.indisprimary
      ORDER BY array_position(i.indkey::int2[], a.attnum)`,
    DOING,
  );
  if (columns.length === 0) return "it has no primary key";
  const key = columns.map(([name]) => `${name}`);
  const types = columns.map(([, type]) => `${type}`);
  if (!types.every((type) => [...WHOLE, ...TEXTS].includes(type))) {
    return "its key is neither of whole numbers nor of texts";
  }
  const windows = await windowsOf(reader, table, key, types);
  const rows = await reader.rows(
    `SELECT ${windowOf(windows, key)}, count(*),
        sum(('x' || substr(md5(${keyText(key)}), 1, 15))::bit(60)::int8)::text
      FROM ${quoted(table)} GROUP BY 1`,
    DOING,
  );
  const sums = rows.map(([window, keys, sum]) => ({
    window: `${window}`,
    keys: Number(keys),
    sum: `${sum}`,
  }));
  return { table, key, windows, sums };
}

async function windowsOf(
  reader: Connection,
  table: string,
  key: readonly string[],
  types: readonly string[],
): Promise<Windows> {
  const [column = ""] = key;
  if (key.length !== 1 || !WHOLE.includes(types[0] ?? "")) return { kind: "hashes" };
  const name = quoteName(column);
  const [row] = await reader.rows(`SELECT min(${name}), max(${name}) FROM ${quoted(table)}`, DOING);
  const low = BigInt(row?.[0] ?? 0);
  const range = BigInt(row?.[1] ?? 0) - low;
  if (range > RANGE_MAX) return { kind: "hashes" };
  return { kind: "ranges", low: String(low), width: String(range / WINDOWS + 1n) };
}

function keyText(key: readonly string[]): string {
  return `concat_ws(chr(31), ${key.map((name) => `${quoteName(name)}::text`).join(", ")})`;
}

function windowOf(windows: Windows, key: readonly string[]): string {
  if (windows.kind === "hashes") return `substr(md5(${keyText(key)}), 1, 2)`;
  const name = quoteName(key[0] ?? "");
  return `floor((${name}::int8 - ${windows.low})::float8 / ${windows.width})::int8::text`;
}

function quoted(table: string): string {
  const dot = table.indexOf(".");
  return `${quoteName(table.slice(0, dot))}.${quoteName(table.slice(dot + 1))}`;
}
