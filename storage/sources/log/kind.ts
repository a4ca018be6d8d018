/** `kind: log`: a file that a program goes on writing, followed as `tail -F` does, each line once. */

import { errorText, LakeError, worded } from "../../../core/base/errors.ts";
import { type SourceConfig, WHOLE_LINE } from "../../../core/ingest/contract.ts";
import type { SourceFinding } from "../../../core/ingest/source-kind.ts";
import { streamTable } from "../../../core/ingest/stream.ts";
import { namePartFrom } from "../../../core/table/name.ts";
import { STRING } from "../../../core/table/type-text.ts";
import { realDisk } from "../../disk/durable.ts";
import { PLAIN, sourceKind } from "../source-kind.ts";
import { LogReader } from "./follow.ts";
import { LOG_SETTINGS, type LogSettings } from "./settings.ts";

function logTable(name: string, { format }: LogSettings): SourceConfig {
  const into = `bronze.${namePartFrom(name)}`;
  if (format === "json") return streamTable(name, "", { into, read: { format: "json" } });
  const line = { header: false, delimiter: WHOLE_LINE, quote: "", names: ["line"] };
  const config = streamTable(name, "", { into, read: { format: "csv", ...line, skip: 0 } });
  return { ...config, declared: [{ name: "line", type: STRING }] };
}

async function findingOf(path: string, named: string): Promise<SourceFinding> {
  const what = "file";
  try {
    const file = await worded("open", path, realDisk.open(path));
    await file.close();
    return { what, state: "ok", text: `${named} can be read` };
  } catch (thrown) {
    const isAbsent = thrown instanceof LakeError && thrown.code === "not-found";
    const text = isAbsent ? `${named} is not there yet; it is waited for` : errorText(thrown);
    return { what, state: isAbsent ? "warn" : "bad", text };
  }
}

/** The file from / on. */
function placed(settings: LogSettings, projectRoot: string): LogSettings {
  const { path } = settings;
  return path.startsWith("/") ? settings : { ...settings, path: `${projectRoot}/${path}` };
}

export const LOG = sourceKind({
  word: "log",
  settings: LOG_SETTINGS,
  secrets: [],
  check: async (_name, settings, { projectRoot }) => [
    await findingOf(placed(settings, projectRoot).path, settings.path),
  ],
  read: (request, settings, world) =>
    LogReader.open(request, placed(settings, request.projectRoot), world, realDisk),
  goesOnFrom: (position) => position.startsWith("byte "),
  frame: () => PLAIN,
  tables: () => [""],
  table: (name, settings) => logTable(name, settings),
});
