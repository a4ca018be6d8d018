/** Corrections of a project: `corrections/NAME.sql`, a front that says of what, and what is put right. */

import { LakeError, type Place } from "../base/errors.ts";
import { isRelativeMoment, parseBound } from "../base/moment.ts";
import { CORRECTIONS_FOLDER } from "../config/default-source.ts";
import { issueError, placeAt } from "../config/place.ts";
import {
  type Cursor,
  type Issue,
  list,
  nullable,
  object,
  optional,
  text,
} from "../config/shape.ts";
import type { Correction, TimeRange } from "../table/correction.ts";
import { INGESTED_COLUMN, isHidden } from "../table/system-columns.ts";
import { type ParseContext, splitFront } from "./parse.ts";
import { bindSql } from "./variables.ts";

/** How a statement is cut; cmd brings it. */
export type CutCorrection = (
  sql: string,
) => Pick<Correction, "sets" | "where"> | { readonly wrong: string; readonly offset: number };

export interface CorrectionContext extends ParseContext {
  readonly cut: CutCorrection;
  readonly timezone: string;
  readonly nowMs: number;
}

/** A file's correction, with the table as it is written there. */
export interface CorrectionFile {
  readonly input: string;
  readonly correction: Correction;
  /** As it is written, without the front. */
  readonly statement: string;
  readonly description: string | null;
  readonly owner: string | null;
}

const NO_TEXTS: readonly string[] = [];
const NO_TEXT: string | null = null;

const FRONT_KEYS = {
  input: optional(
    nullable(text({})),
    NO_TEXT,
    "The table whose rows are put right as models read them.",
  ),
  from: optional(nullable(text({})), NO_TEXT, "First instant of the range. Default: no bound."),
  to: optional(nullable(text({})), NO_TEXT, "End of the range, not included. Default: no bound."),
  by: optional(text({}), INGESTED_COLUMN, "Column that from and to are over."),
  batch: optional(list(text({})), NO_TEXTS, "Batches whose rows it is about. Default: any."),
  file: optional(
    list(text({})),
    NO_TEXTS,
    "Files, with * and ?, whose rows it is about. Default: any.",
  ),
  owner: optional(nullable(text({})), NO_TEXT, "Whom to ask about it."),
  description: optional(nullable(text({})), NO_TEXT, "Why it is right."),
};
const FRONT = object(FRONT_KEYS);

/** Never throws for what the file says: errors carry their place. */
export function parseCorrection(
  file: string,
  source: string,
  context: CorrectionContext,
): { readonly correction: CorrectionFile | null; readonly errors: readonly LakeError[] } {
  try {
    return { correction: read(file, source.replaceAll("\r\n", "\n"), context), errors: [] };
  } catch (thrown) {
    if (thrown instanceof AggregateError) return { correction: null, errors: thrown.errors };
    if (thrown instanceof LakeError) return { correction: null, errors: [thrown] };
    throw thrown;
  }
}

function read(file: string, all: string, context: CorrectionContext): CorrectionFile {
  const front = splitFront(all, file, context.commentsOf);
  const parsed = context.parseYaml(front.yaml ?? "");
  const at = { text: all, file, parsed, offset: front.yamlOffset };
  const issues: Issue[] = parsed.problems.slice(0, 1).map(({ message }) => {
    return { path: [], at: "value", severity: "error", message, hint: null };
  });
  const cursor: Cursor = { path: [], issues };
  const values = issues.length > 0 ? undefined : FRONT.read(parsed.data ?? {}, cursor);
  if (values === undefined || issues.length > 0) {
    throw new AggregateError(issues.map((issue) => issueError(issue, at)));
  }
  const { input } = values;
  const first = { file, line: 1, column: 1 };
  if (input === null) {
    throw wrong(
      "the correction does not say of which table",
      first,
      "begin it with /* tarn input: bronze.orders */",
    );
  }
  const bound = bindSql(front.sql, context);
  const [problem] = bound.problems;
  if (problem !== undefined) {
    throw wrong(problem.message, inText(file, front, problem), problem.hint);
  }
  const cut = context.cut(bound.sql);
  if ("wrong" in cut) {
    throw wrong(
      cut.wrong,
      inText(file, front, { offset: cut.offset, length: 1 }),
      "SET amount = amount / 100 WHERE currency = 'JPY'",
    );
  }
  const own = cut.sets?.find(({ column }) => isHidden(column.toLowerCase()));
  if (own !== undefined) {
    const offset = Math.max(0, bound.sql.indexOf(own.column));
    throw wrong(
      `${own.column} says where a row came from, and is not to be corrected`,
      inText(file, front, { offset, length: own.column.length }),
      "name a column of the data",
    );
  }
  const time = timeOf(values, first, context);
  const { sets, where } = cut;
  const { batch: batches, file: files } = values;
  const plain = (sql: string): string => context.canonicalSql(sql);
  const meaning = {
    ...{ input: input.toLowerCase(), batches, files, time },
    sets: sets?.map((set) => [set.column.toLowerCase(), plain(set.sql)]) ?? null,
    where: where === null ? null : plain(where),
  };
  const lead = front.sql.length - front.sql.trimStart().length;
  const correction: Correction = {
    name: file.slice(CORRECTIONS_FOLDER.length + 1).replace(/\.sql$/i, ""),
    hash: context.sha256(JSON.stringify(meaning)),
    file,
    line: front.sqlLine + (front.sql.slice(0, lead).match(/\n/g)?.length ?? 0),
    ...{ batches, files, time, sets, where },
  };
  const { description, owner } = values;
  return { input, correction, statement: front.sql.trim(), description, owner };
}

function timeOf(
  {
    from,
    to,
    by,
  }: { readonly from: string | null; readonly to: string | null; readonly by: string },
  place: Place,
  context: CorrectionContext,
): TimeRange | null {
  if (from === null && to === null) return null;
  const bound = (key: string, written: string | null) => {
    if (written === null) return null;
    if (isRelativeMoment(written)) {
      throw wrong(
        `${key}: ${written} moves with the clock`,
        place,
        "write a date or a time, such as 2026-03-01",
      );
    }
    try {
      return parseBound(written, context);
    } catch (thrown) {
      if (!(thrown instanceof LakeError)) throw thrown;
      throw wrong(
        `${key}: ${thrown.message}`,
        place,
        thrown.hint ?? "write 2026-03-01 or 2026-03-01T09:30",
      );
    }
  };
  const [first, end] = [bound("from", from), bound("to", to)];
  if (first !== null && end !== null && first.ms >= end.ms && first.wallMs >= end.wallMs) {
    throw wrong(
      `from ${from} is not before to ${to}`,
      place,
      "the range begins with from and ends before to",
    );
  }
  const wall = { fromMs: first?.wallMs ?? null, toMs: end?.wallMs ?? null };
  return { column: by, fromMs: first?.ms ?? null, toMs: end?.ms ?? null, wall };
}

function wrong(message: string, place: Place, hint: string): LakeError {
  return new LakeError("config", message, { place, hint, page: "T0122" });
}

function inText(
  file: string,
  front: { readonly sql: string; readonly sqlLine: number },
  span: { readonly offset: number; readonly length: number },
): Place {
  const place = placeAt(front.sql, file, span);
  return { ...place, line: place.line + front.sqlLine - 1 };
}
