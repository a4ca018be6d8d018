/** The front of a model file: the comment that starts with `tarn`, where it stands, and places in the file. */

import { LakeError, type Place } from "../base/errors.ts";
import type { Issue, Path } from "../config/shape.ts";

/** A stretch of a text. */
export interface Span {
  readonly offset: number;
  readonly length: number;
}

/** What a YAML parser answers; cmd brings one, because core has no packages. */
export interface ParsedYaml {
  /** Plain data; null when there are problems, or nothing. */
  readonly data: unknown;
  readonly problems: readonly { readonly message: string; readonly span: Span }[];
  readonly spanOf: (path: Path, at: "key" | "value") => Span;
}

export type ParseYaml = (text: string) => ParsedYaml;

export interface Front {
  /** The YAML of the front comment, or null when the file has none. */
  readonly yaml: string | null;
  /** Where the YAML starts in the file. */
  readonly yamlOffset: number;
  /** The SELECT, padded with spaces so that its columns are the file's. */
  readonly sql: string;
  /** Line of the file where `sql` starts, from 1. */
  readonly sqlLine: number;
}

/** Where the comments of a SQL text stand, in order; cmd brings the lexer. */
export type CommentsOf = (sql: string) => readonly Span[];

/** Whether it is worth looking for comments at all. */
const NAMED = /tarn/i;
const OPENING = /^\/\*+\s*tarn\b:?/i;
/** `-- tarn` alone on its line, or with a setting behind it. */
const LINE_SETTING = /^--+\s*tarn\b\s*:?\s*(?:$|\w+\s*:)/i;

/**
 * Splits a model file (with `\n` line ends) into front comment and query. Other comments, blank lines and a byte order
 * mark may stand before the front. Throws `config` for a front without an end, and for settings that stand where they
 * would not count.
 */
export function splitFront(text: string, file: string, commentsOf: CommentsOf): Front {
  const front = frontOf(text, file, commentsOf);
  // The query alone: a front may hold what is no SQL.
  const queryOffset = front.yaml === null ? 0 : front.yamlOffset + front.yaml.length + 2;
  const query = text.slice(queryOffset);
  if (!NAMED.test(query)) return front;
  for (const span of commentsOf(query)) {
    const comment = query.slice(span.offset, span.offset + span.length);
    if (!OPENING.test(comment) && !LINE_SETTING.test(comment)) continue;
    const [line = ""] = comment.split("\n");
    const place = { offset: queryOffset + span.offset, length: line.length };
    throw new LakeError("config", misplaced(comment, front), {
      hint: "settings stand in one comment, /* tarn … */, before the query; begin another one with another word",
      place: placeAt(text, file, place),
      page: "T0110",
    });
  }
  return front;
}

function misplaced(comment: string, front: Front): string {
  if (comment.startsWith("--")) return "settings in a -- comment do not count";
  return front.yaml === null
    ? "settings that stand in or behind the query do not count"
    : "settings stand in two comments, and only the first counts";
}

function frontOf(text: string, file: string, commentsOf: CommentsOf): Front {
  const start = frontOffset(text, commentsOf);
  if (start === null) return { yaml: null, yamlOffset: 0, ...queryFrom(text, 0) };
  const opening = OPENING.exec(text.slice(start)) ?? [""];
  const yamlOffset = start + opening[0].length;
  const end = text.indexOf("*/", yamlOffset);
  if (end < 0) {
    throw new LakeError("config", "the front comment has no end", {
      hint: "close it with */ on a line before the SELECT",
      place: placeAt(text, file, { offset: start, length: opening[0].length }),
      page: "T0110",
    });
  }
  return { yaml: text.slice(yamlOffset, end), yamlOffset, ...queryFrom(text, end + 2) };
}

/** Line and column of a stretch of text. */
export function placeAt(text: string, file: string, span: Span): Place {
  const offset = Math.min(Math.max(0, span.offset), text.length);
  const before = text.slice(0, offset);
  const lineStart = before.lastIndexOf("\n") + 1;
  const lineEnd = text.indexOf("\n", offset);
  const room = (lineEnd < 0 ? text.length : lineEnd) - offset;
  return {
    file,
    line: before.split("\n").length,
    column: offset - lineStart + 1,
    length: Math.max(1, Math.min(span.length, room)),
  };
}

/** An issue with plain data of a YAML text as the error that a person sees. */
export function issueError(
  issue: Issue,
  source: {
    readonly text: string;
    readonly file: string;
    readonly parsed: ParsedYaml;
    /** Where the YAML starts in the text. */
    readonly offset: number;
  },
): LakeError {
  const span = source.parsed.spanOf(issue.path, issue.at);
  const moved = { offset: span.offset + source.offset, length: span.length };
  return new LakeError("config", issue.message, {
    ...(issue.hint === null ? {} : { hint: issue.hint }),
    place: placeAt(source.text, source.file, moved),
    context: { key: issue.path.join(".") },
    page: issue.at === "key" ? "T0107" : "T0108",
  });
}

/** Where the front comment starts, behind blanks and other comments; null when something else is first. */
function frontOffset(text: string, commentsOf: CommentsOf): number | null {
  if (!NAMED.test(text)) return null;
  let end = text.startsWith("\uFEFF") ? 1 : 0;
  for (const { offset, length } of commentsOf(text)) {
    if (text.slice(end, offset).trim() !== "") return null;
    if (OPENING.test(text.slice(offset, offset + length))) return offset;
    end = offset + length;
  }
  return null;
}

/** The query from an offset on: blank lines before it are skipped, its first line keeps its columns. */
function queryFrom(text: string, offset: number): { sql: string; sqlLine: number } {
  const start = offset === 0 && text.startsWith("\uFEFF") ? 1 : offset;
  const blank = /^\s*/.exec(text.slice(start))?.[0].length ?? 0;
  const first = start + blank;
  const lineStart = text.lastIndexOf("\n", first - 1) + 1;
  const padding = " ".repeat(first - lineStart);
  const body = text.slice(first).trimEnd();
  const bare = body.endsWith(";") ? body.slice(0, -1).trimEnd() : body;
  return {
    sql: bare === "" ? "" : padding + bare,
    sqlLine: text.slice(0, first).split("\n").length,
  };
}
