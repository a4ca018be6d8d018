/** How the SQL command shows results, footers and errors. */

import { readFileSync } from "node:fs";
import { LakeError } from "../../core/base/errors.ts";
import { counted } from "../../core/base/quantity.ts";
import type { QueryResult } from "../../sql/query/query.ts";
import type { Presenter } from "../../sql/shell/shell.ts";
import { errorReport } from "../exit.ts";
import type { JsonNumbers } from "../format/json.ts";
import {
  BOX_ROWS_MAX,
  type Format,
  footerText,
  parseFormat,
  renderResult,
  type Sink,
} from "../render/render.ts";
import { type Style, wrapped } from "../render/style.ts";

export interface PresentOptions {
  readonly style: Style;
  readonly debug: boolean;
  readonly timezone: () => string;
  readonly width: () => number;
  readonly jsonNumbers: JsonNumbers;
  readonly rowsMax?: number;
}

export interface ShowOptions {
  readonly format: Exclude<Format, "parquet">;
  readonly toFile: boolean;
  /** Every row and column. */
  readonly full: boolean;
  /** Asked when the result was read; null leaves the time out. */
  readonly elapsedMs: (() => number) | null;
}

/** Writes one answer to the sink; answers its footer. */
export async function showAnswer(
  answer: QueryResult,
  options: PresentOptions,
  show: ShowOptions,
  sink: Sink,
): Promise<string> {
  const notes = [...answer.tables, ...answer.notes];
  if (answer.result === null) {
    const elapsed = show.elapsedMs?.() ?? null;
    const done = answer.rowsChanged === null ? "done" : counted(answer.rowsChanged, "row");
    return footerText(NO_ROWS, elapsed, notes).replace(
      /^ /,
      ` ${done}${elapsed === null && notes.length === 0 ? "" : " · "}`,
    );
  }
  const rendered = await renderResult(
    answer.result,
    {
      format: show.format,
      style: options.style,
      timezone: options.timezone(),
      width: show.full ? Number.MAX_SAFE_INTEGER : options.width(),
      rowsMax: show.full ? Number.MAX_SAFE_INTEGER : (options.rowsMax ?? BOX_ROWS_MAX),
      jsonNumbers: options.jsonNumbers,
      toFile: show.toFile,
    },
    sink,
  );
  return footerText(rendered, show.elapsedMs?.() ?? null, notes);
}

const NO_ROWS = { rowCount: 0n, rowsShown: 0n, columnCount: 0, columnsShown: 0 };

/** The error with its excerpt; `text` is what was run. */
export function showError(thrown: unknown, text: string, options: PresentOptions): string {
  return errorReport(thrown, {
    style: options.style,
    debug: options.debug,
    readText: (file) => (file === "" ? text : readOrNull(file)),
    width: options.width(),
  });
}

/** What the shell shows with. */
export function shellPresenter(options: PresentOptions): Presenter {
  return {
    async result(answer, view, out, elapsedMs) {
      const show = {
        format: view.toFile ? fileFormat(view.mode) : textFormat(view.mode),
        toFile: view.toFile,
        full: view.full,
        elapsedMs: view.timer ? elapsedMs : null,
      };
      return showAnswer(answer, options, show, out);
    },
    error: (thrown, text) => showError(thrown, text, options),
    dim: (text) => options.style.dim(text),
    fit: (text) => wrapped(text, options.width()),
    modeNamed: textFormat,
  };
}

/** The format that a file's ending named; Parquet is written by the engine. */
function fileFormat(name: string): Exclude<Format, "parquet"> {
  const format = parseFormat(name);
  return format === "parquet" ? "csv" : format;
}

function textFormat(name: string): Exclude<Format, "parquet" | "arrow" | "xlsx"> {
  const format = parseFormat(name);
  if (format !== "parquet" && format !== "arrow" && format !== "xlsx") return format;
  throw new LakeError("usage", `${format} cannot be shown on a screen`, {
    hint: `write the next result to a file: .once result.${format}`,
  });
}

function readOrNull(file: string): string | null {
  try {
    return readFileSync(file, "utf8");
  } catch {
    return null;
  }
}
