/** Whether a source can be read as it is: a list of what was looked at, and the SQL that mends what is not right. */

import { LakeError } from "../../../core/base/errors.ts";
import { counted } from "../../../core/base/quantity.ts";
import { Connection, quoteName, quoteText, targetOf } from "./connection.ts";
import { identitiesOf } from "./identity.ts";
import { createPublicationSql, publishedTables, tableChoice, wantedTables } from "./publication.ts";
import type { PostgresSettings } from "./settings.ts";
import { namesOf, versionOf } from "./setup.ts";
import { slotState } from "./slot.ts";

export interface CheckLine {
  readonly what: string;
  readonly ok: boolean;
  readonly detail: string;
  /** To be pasted into psql; null when nothing has to be done, or SQL does not do it. */
  readonly sql: string | null;
}

/** Slots and senders that a source takes: its own, and one for each time that a table is read anew. */
const SLOTS_NEEDED = 2;

/** Looks at everything that can be looked at: what cannot be asked is not listed. Makes and changes nothing. */
export async function checkSource(
  settings: PostgresSettings,
  world: { readonly source: string; readonly lakeId: string; readonly projectRoot: string },
): Promise<readonly CheckLine[]> {
  const lines: CheckLine[] = [];
  let control: Connection | null = null;
  try {
    const target = await targetOf(settings, world.projectRoot);
    control = await Connection.open(target, "plain");
    lines.push(
      good("reachable", `${target.host}:${target.port}/${target.database} as ${target.user}`),
    );
    const { major, version } = await versionOf(control);
    lines.push(good("version", version));
    const names = namesOf(settings, world.source, world.lakeId);
    lines.push(await walLevel(control), ...(await role(control)));
    lines.push(await replication(control));
    lines.push(...(await tables(control, settings, names.publication, major)));
    lines.push(await slot(control, names.slot, settings, major), ...(await room(control)));
  } catch (thrown) {
    if (!(thrown instanceof LakeError)) throw thrown;
    const what =
      control === null ? "reachable" : thrown.code === "unsupported" ? "version" : "tables";
    const hint = thrown.hint === null ? "" : `; ${thrown.hint}`;
    lines.push(bad(what, `${thrown.message}${hint}`, null));
  } finally {
    await control?.close();
  }
  return lines;
}

async function walLevel(control: Connection): Promise<CheckLine> {
  const level = await settingOf(control, "wal_level");
  if (level === "logical") return good("wal_level", level);
  const sql = "ALTER SYSTEM SET wal_level = logical; -- then restart the server";
  return bad("wal_level", `${level}, and logical is needed`, sql);
}

async function role(control: Connection): Promise<readonly CheckLine[]> {
  const [row] = await control.rows(
    "SELECT rolreplication OR rolsuper, rolsuper FROM pg_roles WHERE rolname = current_user",
    "look at the role",
  );
  const { user } = control.target;
  if (row?.[0] === "t") return [good("role", `${user} may replicate`)];
  const sql = `ALTER ROLE ${quoteName(user)} REPLICATION;`;
  return [bad("role", `${user} may not replicate`, sql)];
}

/** The lines of pg_hba.conf for `replication` are others than those for a database, on some hosted servers. */
async function replication(control: Connection): Promise<CheckLine> {
  try {
    const connection = await Connection.open(control.target, "replication");
    await connection.close();
    return good("replication connection", "admitted");
  } catch (thrown) {
    if (!(thrown instanceof LakeError)) throw thrown;
    return bad("replication connection", thrown.message, null);
  }
}

async function tables(
  control: Connection,
  settings: PostgresSettings,
  publication: string,
  major: number,
): Promise<readonly CheckLine[]> {
  const found = await publishedTables(control, publication, major);
  const choice = tableChoice(settings.tables);
  const published = found?.filter(({ schema, table }) => choice(schema, table)) ?? null;
  const wanted = published ?? (await wantedTables(control, settings.tables));
  const lines = [
    published === null
      ? bad(
          "publication",
          `${publication} is not there: it is made, where the role owns the tables`,
          `${createPublicationSql(publication, wanted)};`,
        )
      : published.length > 0
        ? good("publication", `${publication}, with ${counted(published.length, "table")}`)
        : bad("publication", `${publication} has none of the tables`, null),
  ];
  for (const identity of await identitiesOf(
    control,
    wanted.map(({ oid }) => oid),
    major,
  )) {
    lines.push({ ...identity, what: `replica identity of ${identity.name}` });
  }
  return [...lines, ...(await privileges(control, wanted))];
}

async function privileges(
  control: Connection,
  wanted: readonly { readonly schema: string; readonly table: string; readonly oid: number }[],
): Promise<readonly CheckLine[]> {
  const { user } = control.target;
  const oids = wanted.map(({ oid }) => oid).join(", ");
  if (oids === "") return [];
  const rows = await control.rows(
    `SELECT quote_ident(n.nspname) || '.' || quote_ident(c.relname) FROM pg_class c
      JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.oid IN (${oids})
      AND NOT (has_schema_privilege(n.oid, 'USAGE') AND has_table_privilege(c.oid, 'SELECT')) ORDER BY 1`,
    "look at the privileges of the role",
  );
  if (rows.length === 0) return [good("privileges", `${user} may read the tables`)];
  const list = rows.map(([name]) => `${name}`).join(", ");
  const sql = `GRANT SELECT ON ${list} TO ${quoteName(user)};`;
  return [bad("privileges", `${user} may not read ${list}`, sql)];
}

async function slot(
  control: Connection,
  name: string,
  settings: PostgresSettings,
  major: number,
): Promise<CheckLine> {
  const state = await slotState(control, name, major);
  if (state === null) return good("slot", `${name} is not there yet: it is made`);
  const drop = `SELECT pg_drop_replication_slot(${quoteText(name)});`;
  if (state.plugin !== "pgoutput") return bad("slot", `${name} is of plugin ${state.plugin}`, null);
  if (state.twoPhase) return bad("slot", `${name} is one with two_phase`, null);
  if (state.walStatus === "lost" || state.invalidation !== null) {
    const detail = `${name} was given up by the server (${state.invalidation ?? "lost"}): changes are missing`;
    return bad("slot", detail, drop);
  }
  const kept = `the server keeps ${counted(state.retainedBytes, "byte")} of log for it`;
  const more =
    state.retainedBytes > settings.max_retained_wal ? ", more than max_retained_wal" : "";
  const standby = state.temporary
    ? "; a standby has it as temporary until it is confirmed further"
    : "";
  return { what: "slot", ok: more === "", detail: `${name}: ${kept}${more}${standby}`, sql: null };
}

/** Slots and senders that are left, and what the server may throw away of the log. */
async function room(control: Connection): Promise<readonly CheckLine[]> {
  const [row] = await control.rows(
    `SELECT current_setting('max_replication_slots')::int - (SELECT count(*) FROM pg_replication_slots),
        current_setting('max_wal_senders')::int - (SELECT count(*) FROM pg_stat_replication),
        current_setting('max_slot_wal_keep_size')`,
    "count what is left",
  );
  const [slots, senders, kept] = row ?? [];
  const left = (what: string, count: number, name: string): CheckLine =>
    count >= SLOTS_NEEDED
      ? good(what, `${count} left`)
      : bad(what, `${count} left`, `ALTER SYSTEM SET ${name} = 20; -- then restart the server`);
  const cap =
    kept === "-1"
      ? "no limit: a slot that nobody reads fills the disk; max_slot_wal_keep_size sets one"
      : `${kept}: a slot that is further behind is lost`;
  return [
    left("free slots", Number(slots), "max_replication_slots"),
    left("free senders", Number(senders), "max_wal_senders"),
    good("log kept for slots", cap),
  ];
}

async function settingOf(control: Connection, name: string): Promise<string> {
  const [row] = await control.rows(`SHOW ${name}`, `ask for ${name}`);
  return `${row?.[0]}`;
}

function good(what: string, detail: string): CheckLine {
  return { what, ok: true, detail, sql: null };
}

function bad(what: string, detail: string, sql: string | null): CheckLine {
  return { what, ok: false, detail, sql };
}
