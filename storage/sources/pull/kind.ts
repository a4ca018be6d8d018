/** `kind: pull`: tables of a database that may not be replicated, asked again and again for what is new. */

import { errorText, LakeError } from "../../../core/base/errors.ts";
import type { SourceConfig } from "../../../core/ingest/contract.ts";
import { feedColumns } from "../../../core/ingest/feed.ts";
import type { SourceFinding } from "../../../core/ingest/source-kind.ts";
import { streamTable } from "../../../core/ingest/stream.ts";
import { namePartFrom } from "../../../core/table/name.ts";
import { sourceKind } from "../source-kind.ts";
import type { PullDatabase } from "./database.ts";
import { openDatabase } from "./open.ts";
import { isPlace, readAgain } from "./place.ts";
import { labelOf, PullReader, pullKey } from "./read.ts";
import { PULL_SETTINGS, type PullTableSettings } from "./settings.ts";

/** Tables of the schema public go without its name. */
function pullTable(name: string, table: string): SourceConfig {
  const into = `bronze.${namePartFrom(`${name}_${table.replace(/^public\./, "")}`)}`;
  return streamTable(name, table, { into, read: { format: "segment", table: labelOf(table) } });
}

/** What pulling a table needs, and what it will not see. */
async function findingOf(
  database: PullDatabase,
  settings: PullTableSettings,
): Promise<SourceFinding> {
  const what = `table ${settings.name}`;
  try {
    const table = await database.describe(settings.name);
    const { cursor, key } = pullKey(table, settings);
    if (cursor === null) {
      return { what, state: "ok", text: "no cursor: all rows are read each time, as one load" };
    }
    const text = `rows by ${cursor}, named by ${key.join(", ")}; deleted rows are not seen`;
    if (table.indexed.has(cursor)) return { what, state: "ok", text };
    const index = `${settings.name}_${cursor}`.replaceAll(/\W/g, "_");
    const todo = `CREATE INDEX ${index} ON ${settings.name} (${[cursor, ...key].join(", ")});`;
    return { what, state: "warn", text: `${text}; no index begins with ${cursor}`, todo };
  } catch (thrown) {
    return findingFrom(what, thrown);
  }
}

function findingFrom(what: string, thrown: unknown): SourceFinding {
  const hint = thrown instanceof LakeError ? thrown.hint : null;
  const todo = hint === null ? {} : { todo: hint };
  return { what, state: "bad", text: errorText(thrown), ...todo };
}

export const PULL = sourceKind({
  word: "pull",
  settings: PULL_SETTINGS,
  secrets: ["url"],
  check: async (_name, settings, { projectRoot }) => {
    let database: PullDatabase;
    try {
      database = await openDatabase(settings, projectRoot);
    } catch (thrown) {
      return [findingFrom("connection", thrown)];
    }
    try {
      const findings: SourceFinding[] = [
        { what: "connection", state: "ok", text: "the database answers" },
      ];
      for (const table of settings.tables) findings.push(await findingOf(database, table));
      return findings;
    } finally {
      await database.close();
    }
  },
  count: async (settings, asks, world) => {
    const { countPulled } = await import("./reconcile.ts");
    return await countPulled(settings, asks, world);
  },
  read: (request, settings, world) => PullReader.open(request, settings, world),
  readAgain,
  frame: () => ({ isFeed: true, columns: feedColumns, isPlacedByRows: true }),
  goesOnFrom: (position) => isPlace(position),
  tables: ({ tables }) => tables.map(({ name }) => name),
  table: (name, _settings, table) => pullTable(name, table),
});
