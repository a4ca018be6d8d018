/** Runs SQL texts without a person: results to stdout or a file, footers and errors to stderr. */

import { createReadStream, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { LakeError } from "../../core/base/errors.ts";
import { own } from "../../core/base/json.ts";
import { isCancelled } from "../../sql/query/error.ts";
import type { QueryResult, QuerySession } from "../../sql/query/query.ts";
import type { Terminal } from "../command.ts";
import { EXIT, errorJson, exitCodeOf } from "../exit.ts";
import { type Packing, refuseSecond } from "../render/output-file.ts";
import type { Progress } from "../render/progress.ts";
import type { Format, Sink } from "../render/render.ts";
import { fileSink, ReaderGone, stdoutSink } from "../render/sink.ts";
import { stderr, stdout } from "../render/streams.ts";
import { type PresentOptions, showAnswer, showError } from "./presenter.ts";

export interface Script {
  /** Null for `-c`. */
  readonly file: string | null;
  readonly text: string;
}

export interface BatchOptions {
  readonly terminal: Terminal;
  readonly signal: AbortSignal;
  readonly session: QuerySession;
  readonly format: Format;
  /** A file for the results; null is stdout. */
  readonly output: string | null;
  readonly packing: Packing | null;
  readonly present: Omit<PresentOptions, "timezone">;
  /** Absolute path of a file that may be written. */
  writable(path: string): string;
}

/** A box that is piped has no width to fit; wide enough for most, narrow enough to read in a log. */
export const WIDTH_OF_PIPES = 160;

/** Runs the scripts in order, up to the first that fails; answers the exit code. */
export async function runScripts(
  options: BatchOptions,
  scripts: readonly Script[],
): Promise<number> {
  const { session, terminal } = options;
  const present: PresentOptions = { ...options.present, timezone: () => session.timezone };
  const progress = terminal.interactive && !terminal.quiet ? await spinner(terminal) : null;
  for (const { file, text } of scripts) {
    try {
      await runScript(options, present, progress, text);
    } catch (thrown) {
      progress?.stop();
      if (thrown instanceof ReaderGone) return EXIT.ok;
      if (isCancelled(thrown) && options.signal.aborted) return EXIT.interrupted;
      const placed = placedIn(thrown, file);
      const isJson = terminal.json;
      stderr.write(isJson ? `${errorJson(placed)}\n` : showError(placed, text, present));
      return exitCodeOf(thrown);
    }
  }
  progress?.stop();
  if (!session.isInTransaction) return EXIT.ok;
  const left = leftOpen();
  stderr.write(terminal.json ? `${errorJson(left)}\n` : showError(left, "", present));
  return exitCodeOf(left);
}

function leftOpen(): LakeError {
  return new LakeError("usage", "the transaction has no COMMIT: nothing of it was done", {
    hint: "end it with COMMIT; to try statements alone, end it with ROLLBACK",
  });
}

async function spinner(terminal: Terminal): Promise<Progress> {
  const { startProgress } = await import("../render/progress.ts");
  return startProgress({
    isTerminal: true,
    style: terminal.style,
    write: (line) => stderr.write(line),
    width: () => stderr.columns() ?? WIDTH_OF_PIPES,
  });
}

const WAITING = "running · Ctrl+C cancels";

async function runScript(
  options: BatchOptions,
  present: PresentOptions,
  progress: Progress | null,
  text: string,
): Promise<void> {
  const { terminal, session, format, output, packing } = options;
  let startedMs = performance.now();
  const elapsedMs = () => performance.now() - startedMs;
  const footer = (line: string) => {
    progress?.clear();
    if (line.trim() !== "") terminal.note(terminal.style.dim(line));
  };
  refuseDotCommand(text);
  progress?.update(WAITING);
  if (format === "parquet") {
    const answer = await (output === null
      ? parquetToStdout(session, text)
      : writeParquet(session, text, output));
    const show = { format: "box", toFile: true, full: true, elapsedMs } as const;
    footer(await showAnswer(answer, present, show, stdoutSink()));
    return;
  }
  if (output === null && format === "xlsx") refuseTerminal("A workbook");
  const file = output === null ? null : await fileSink(options.writable(output), packing);
  const sink = quieting(file ?? stdoutSink(), progress);
  let resultCount = 0;
  try {
    for await (const answer of session.run(text)) {
      if (answer.result !== null && ++resultCount > 1) refuseSecond(format);
      const show = { format, toFile: file !== null, full: file !== null, elapsedMs };
      footer(await showAnswer(answer, present, show, sink));
      startedMs = performance.now();
      progress?.update(WAITING);
    }
    await file?.close();
  } catch (thrown) {
    await file?.discard();
    throw thrown;
  } finally {
    progress?.clear();
  }
}

/** What a command of the shell is called outside of it. */
const OUTSIDE: Readonly<Record<string, string>> = {
  ".tables": "tarn ls",
  ".schema": 'tarn sql -c "describe silver.orders"',
  ".snapshots": "tarn log silver.orders",
  ".asof": "tarn sql --at TIME",
  ".mode": "tarn sql --format FORMAT",
  ".output": "tarn sql -o FILE",
  ".read": "tarn sql -f FILE",
};

function refuseDotCommand(text: string): void {
  const word = /^\s*(\.[a-z]+)/i.exec(text)?.[1]?.toLowerCase();
  if (word === undefined) return;
  const instead = own(OUTSIDE, word);
  throw new LakeError("usage", `${word} is a command of the interactive shell`, {
    hint: instead === undefined ? "start the shell with: tarn sql" : `here: ${instead}`,
  });
}

async function writeParquet(
  session: QuerySession,
  text: string,
  path: string,
): Promise<QueryResult> {
  const { parquetQuery } = await import("./parquet-query.ts");
  return await session.writeParquet(await parquetQuery(session, text), path);
}

/** The footer of a Parquet file stands at its end, and the engine seeks: it is made whole, then sent. */
async function parquetToStdout(session: QuerySession, text: string): Promise<QueryResult> {
  refuseTerminal("Parquet");
  const folder = mkdtempSync(join(tmpdir(), "lake-parquet-"));
  try {
    const path = join(folder, "result.parquet");
    const answer = await writeParquet(session, text, path);
    const sink = stdoutSink();
    for await (const chunk of createReadStream(path)) await sink.write(chunk);
    return answer;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function refuseTerminal(what: string): void {
  if (!stdout.isTerminal) return;
  throw new LakeError("usage", `${what} is no text for a terminal`, { hint: "-o FILE, or a pipe" });
}

/** The spinner goes before the first row comes: both may be on one screen. */
function quieting(sink: Sink, progress: Progress | null): Sink {
  return {
    write(data) {
      progress?.clear();
      return sink.write(data);
    },
  };
}

/** An error without a file stands in the script that was run. */
function placedIn(thrown: unknown, file: string | null): unknown {
  if (file === null || file === "stdin" || !(thrown instanceof LakeError)) return thrown;
  const { place } = thrown;
  if (place === null || place.file !== "") return thrown;
  return new LakeError(thrown.code, thrown.message, {
    ...(thrown.hint === null ? {} : { hint: thrown.hint }),
    ...(thrown.page === null ? {} : { page: thrown.page }),
    place: { ...place, file },
    context: thrown.context,
    cause: thrown.cause,
  });
}
