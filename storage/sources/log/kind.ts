/** `kind: log`: a file that a program goes on writing, followed as `tail -F` does, each line once. */

import { type Cursor, report } from "../../../core/config/shape.ts";
import type { SourceConfig } from "../../../core/ingest/contract.ts";
import { streamTable } from "../../../core/ingest/stream.ts";
import { namePartFrom } from "../../../core/table/name.ts";
import { STRING } from "../../../core/table/type-text.ts";
import { realDisk } from "../../disk/durable.ts";
import { sourceKind } from "../source-kind.ts";
import { LogReader } from "./follow.ts";
import { LOG_SETTINGS, type LogSettings } from "./settings.ts";

/** A character that no line has: a line is one field. */
const NO_DELIMITER = "\u0001";

function logTable(name: string, { format }: LogSettings): SourceConfig {
  const into = `bronze.${namePartFrom(name)}`;
  if (format === "json") return streamTable(name, "", { into, read: { format: "json" } });
  const line = { header: false, delimiter: NO_DELIMITER, quote: "", names: ["line"] };
  const config = streamTable(name, "", { into, read: { format: "csv", ...line, skip: 0 } });
  return { ...config, declared: [{ name: "line", type: STRING }] };
}

function checkSettings({ path }: LogSettings, cursor: Cursor): void {
  if (path.split("/").includes("..")) report(cursor, "a path cannot hold ..");
}

export const LOG = sourceKind({
  word: "log",
  settings: LOG_SETTINGS,
  secrets: [],
  check: checkSettings,
  read: (request, settings, world) => LogReader.open(request, settings, world, realDisk),
  tables: () => [""],
  table: (name, settings) => logTable(name, settings),
});
