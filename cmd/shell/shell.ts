/** Starts the interactive shell on the process's own terminal. */

import { readFile } from "node:fs/promises";
import { basename } from "node:path";
import { LakeError } from "../../core/base/errors.ts";
import type { QuerySession } from "../../sql/query/query.ts";
import { History } from "../../sql/shell/history.ts";
import { runShell, type ShellFile } from "../../sql/shell/shell.ts";
import { isSingle, outputKind } from "../render/output-file.ts";
import { startProgress } from "../render/progress.ts";
import { fileSink } from "../render/sink.ts";
import { processTerminal } from "../render/terminal.ts";
import { historyFile, historyPath } from "./history.ts";
import type { LazyLake } from "./lake.ts";
import { type PresentOptions, shellPresenter } from "./presenter.ts";
import { shellLake } from "./tables.ts";

export interface StartOptions {
  readonly session: QuerySession;
  readonly lake: LazyLake;
  readonly present: PresentOptions;
  readonly format: string;
  readonly quiet: boolean;
  readonly version: string;
  openOutput(path: string): Promise<ShellFile>;
}

/** Runs until the person leaves. Throws what opening the lake throws, before the first prompt. */
export async function startShell(options: StartOptions): Promise<void> {
  const { session, lake, present } = options;
  const opened = await lake.session();
  const root = opened?.root ?? null;
  const name = opened === null ? "sql" : projectName(opened.config.project, opened.root);
  const where = opened === null ? "no lake here" : name;
  const dumb = process.env.TERM === "dumb" || process.env.TERM === undefined;
  const terminal = processTerminal();
  const progress = startProgress({
    isTerminal: !dumb,
    style: present.style,
    write: terminal.write,
    width: terminal.columns,
  });
  try {
    await runShell({
      session,
      presenter: shellPresenter(present),
      lake: opened === null ? null : shellLake(lake),
      history: new History(historyFile(historyPath(process.env)), root),
      terminal,
      editing: !dumb,
      colors: present.style.enabled,
      name,
      mode: options.format,
      busy: (message) => (message === null ? progress.clear() : progress.update(message)),
      banner: options.quiet ? "" : bannerText(options.version, where),
      readText: readScript,
      openOutput: options.openOutput,
    });
  } finally {
    progress.stop();
    terminal.close();
  }
}

/** A file of the shell, in the format of its ending; Parquet is written by the engine, from the query. */
export async function shellFile(session: QuerySession, path: string): Promise<ShellFile> {
  const { format, packing } = outputKind(path);
  const what = { mode: format, isSingle: isSingle(format) };
  if (format !== "parquet") return { ...(await fileSink(path, packing)), ...what, copy: null };
  const nothing = async (): Promise<void> => undefined;
  const file = { write: nothing, close: nothing, discard: nothing };
  return { ...file, ...what, copy: (text) => session.writeParquet(text, path) };
}

function projectName(configured: string, root: string): string {
  return configured === "" ? basename(root) : configured;
}

function bannerText(version: string, where: string): string {
  return `tarn ${version} · DuckDB 1.5.6 · ${where}       .help · Ctrl+D leaves`;
}

async function readScript(path: string): Promise<string> {
  try {
    return await readFile(path, "utf8");
  } catch (thrown) {
    throw new LakeError("usage", `${path} cannot be read`, {
      hint: "name a file of SQL statements",
      cause: thrown,
    });
  }
}
