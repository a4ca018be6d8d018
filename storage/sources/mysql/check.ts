/** Whether a source can be read as it is: a list of what was looked at, and the SQL that mends what is not right. */

import { LakeError } from "../../../core/base/errors.ts";
import { counted } from "../../../core/base/quantity.ts";
import type { SourceFinding } from "../../../core/ingest/source-kind.ts";
import { type CatalogTable, cascadesOf, isReadable, wantedTables } from "./catalog.ts";
import { Connection, databaseOf, quoteTable, targetOf } from "./connection.ts";
import { account } from "./failure.ts";
import { parsePosition } from "./position.ts";
import { flavorOf, refuseGap, type Variables, variablesOf } from "./server.ts";
import type { MysqlSettings } from "./settings.ts";
import { neededSettings, serverIdOf } from "./setup.ts";

/** Looks at everything that can be looked at: what cannot be asked is not listed. Makes and changes nothing. */
export async function checkSource(
  settings: MysqlSettings,
  world: {
    readonly source: string;
    readonly lakeId: string;
    readonly projectRoot: string;
    readonly from: string | null;
  },
): Promise<readonly SourceFinding[]> {
  const lines: SourceFinding[] = [];
  let control: Connection | null = null;
  try {
    const target = await targetOf(settings, world.projectRoot);
    control = await Connection.open(target);
    lines.push(good("reachable", `${target.host}:${target.port} as ${target.user}`));
    const variables = await variablesOf(control);
    lines.push(version(control, variables));
    for (const one of neededSettings(variables, flavorOf(control))) {
      if (one.is === "missing" && one.name !== "log_bin") continue;
      const text = one.ok
        ? one.is || "empty"
        : `${one.is || "empty"}, and ${one.wanted || "nothing"} is needed`;
      const state = one.ok ? "ok" : one.isVital ? "bad" : "warn";
      lines.push({ what: one.name, state, text, ...(one.ok ? {} : { todo: one.sql }) });
    }
    lines.push(logKept(variables), await grants(control));
    lines.push(
      await serverId(control, serverIdOf(settings, world.source, world.lakeId), variables),
    );
    lines.push(...(await tables(control, settings)));
    lines.push(...(await position(control, world.source, world.from)));
  } catch (thrown) {
    if (!(thrown instanceof LakeError)) throw thrown;
    const what = control === null ? "reachable" : "looked at";
    const todo = thrown.hint === null ? {} : { todo: thrown.hint };
    lines.push({ what, state: "bad", text: thrown.message, ...todo });
  } finally {
    control?.destroy();
  }
  return lines;
}

function version(control: Connection, variables: Variables): SourceFinding {
  const text = `${control.isMariaDb ? "MariaDB" : "MySQL"} ${control.version}`;
  if (variables.has("binlog_row_metadata")) return good("version", text);
  const needed = "MariaDB 10.5 or newer, MySQL 8.0 or newer";
  return { what: "version", state: "bad", text: `${text}: it is too old`, todo: needed };
}

function logKept(variables: Variables): SourceFinding {
  const days = Number(variables.get("expire_logs_days") ?? 0);
  const seconds = Number(variables.get("binlog_expire_logs_seconds") ?? 0) || days * 86_400;
  const text =
    seconds === 0
      ? "no limit of time"
      : `${counted(Math.round(seconds / 3600), "hour")}: a reader that is away for longer misses changes`;
  return good("log kept", text);
}

async function grants(control: Connection): Promise<SourceFinding> {
  const rows = await control.rows("SHOW GRANTS", "look at the rights of the user");
  const all = rows.map(([grant]) => `${grant}`.toUpperCase()).join("\n");
  const { user } = control.target;
  const needed = ["REPLICATION SLAVE", "SELECT"];
  const more = control.isMariaDb ? ["BINLOG MONITOR"] : ["REPLICATION CLIENT", "RELOAD"];
  const missing = [...needed, ...more].filter(
    (right) => !all.includes(right) && !/GRANT ALL PRIVILEGES ON \*\.\*/.test(all),
  );
  if (missing.length === 0) return good("rights", `${user} may read the log and the tables`);
  const todo = `GRANT ${missing.join(", ")} ON *.* TO ${account(user)};`;
  return { what: "rights", state: "bad", text: `${user} lacks ${missing.join(", ")}`, todo };
}

async function serverId(
  control: Connection,
  own: number,
  variables: Variables,
): Promise<SourceFinding> {
  const what = "server id";
  if (variables.get("server_id") === String(own)) {
    const text = `${own} is the server's own`;
    return { what, state: "bad", text, todo: "give the source another server_id in tarn.yaml" };
  }
  try {
    const doing = "look who reads the log";
    const rows = await control
      .rows("SHOW SLAVE HOSTS", doing)
      // MySQL 8.4 has the statement under this name alone.
      .catch(() => control.rows("SHOW REPLICAS", doing));
    const isTaken = rows.some(([id]) => Number(id) === own);
    if (!isTaken) return good(what, String(own));
    const text = `${own} reads the log already`;
    return { what, state: "warn", text, todo: "give the source another server_id in tarn.yaml" };
  } catch {
    return good(what, String(own));
  }
}

async function tables(
  control: Connection,
  settings: MysqlSettings,
): Promise<readonly SourceFinding[]> {
  const wanted = await wantedTables(control, settings.tables, databaseOf(settings));
  const lines = [good("tables", counted(wanted.filter(isReadable).length, "table"))];
  for (const table of wanted) lines.push(...tableLines(table));
  for (const { parent, child, onDelete } of await cascadesOf(control, wanted.filter(isReadable))) {
    const when = onDelete ? "deleting" : "changing keys of";
    lines.push({
      what: child,
      state: "warn",
      text: `${when} rows of ${parent} changes its rows by a foreign key, and not in the log: it is stopped then`,
      todo: `let the application change them, with a foreign key ON DELETE RESTRICT; or read it anew now and then`,
    });
  }
  return lines;
}

function tableLines(table: CatalogTable): readonly SourceFinding[] {
  const name = `${table.schema}.${table.table}`;
  if (table.type === "SEQUENCE") return [];
  if (!isReadable(table)) {
    const text = `a table of type ${table.type} is left out`;
    const todo = `ALTER TABLE ${quoteTable(table)} DROP SYSTEM VERSIONING;`;
    return [{ what: name, state: "warn", text, todo }];
  }
  if (!table.columns.some(({ key }) => key)) {
    const todo = `ALTER TABLE ${quoteTable(table)} ADD PRIMARY KEY (…);`;
    return [{ what: name, state: "warn", text: "no primary key: rows cannot be told apart", todo }];
  }
  if (table.engine !== "InnoDB") {
    const text = `engine ${table.engine}: it is locked against writes while its rows are read first`;
    return [
      {
        what: name,
        state: "warn",
        text,
        todo: `ALTER TABLE ${quoteTable(table)} ENGINE = InnoDB;`,
      },
    ];
  }
  return [good(name, "its primary key")];
}

async function position(
  control: Connection,
  source: string,
  from: string | null,
): Promise<readonly SourceFinding[]> {
  if (from === null) return [];
  const position = parsePosition(from);
  const lines: SourceFinding[] = Object.entries(position.tables).flatMap(([name, { stopped }]) =>
    stopped === undefined
      ? []
      : [
          {
            what: name,
            state: "bad",
            text: stopped,
            todo: `tarn source resnapshot ${source} ${name}`,
          },
        ],
  );
  try {
    await refuseGap(control, position);
    return [good("position", position.gtids || "the beginning"), ...lines];
  } catch (thrown) {
    if (!(thrown instanceof LakeError)) throw thrown;
    const todo = `tarn source resnapshot ${source}`;
    return [{ what: "position", state: "bad", text: thrown.message, todo }, ...lines];
  }
}

function good(what: string, text: string): SourceFinding {
  return { what, state: "ok", text };
}
