/** Where something stands in a text that people write: for messages about settings and models. */

import { LakeError, type Place } from "../base/errors.ts";
import type { Issue, Path } from "./shape.ts";

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
