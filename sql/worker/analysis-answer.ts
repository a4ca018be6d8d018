/** What a worker says of a model's text, field by field: few requests ask, so it is loaded for them alone. */

import type { Analysis } from "../../core/model/analysis.ts";
import { count, flag, list, nullable, object, optional, record, text } from "./protocol.ts";

export function checkAnalysis(value: unknown): Analysis {
  const way = object({
    name: text,
    keys: list(text),
    isFree: flag,
    isKept: flag,
    isGrouped: flag,
    blocked: nullable(text),
  });
  const ref = object({
    name: text,
    at: nullable(object({ unit: text, value: text })),
    offset: nullable(count),
  });
  const column = object({
    name: text,
    digest: text,
    isPlain: flag,
    aggregates: flag,
    makesRows: flag,
    looksElsewhere: flag,
    words: list(text),
  });
  const outline = optional(
    object({
      whole: text,
      parts: record(text),
      columns: nullable(list(column)),
      words: list(text),
      groupsAll: flag,
      isGrouped: flag,
      isDistinct: flag,
      isLimited: flag,
    }),
  );
  object({
    tables: list(ref),
    notIncremental: list(text),
    drivers: list(text),
    followed: list(way),
    beyondRows: list(text),
    combines: flag,
    notDeterministic: list(text),
    clock: list(text),
    outputs: list(text),
    columns: object({ words: list(text), unnamed: flag }),
    outline,
  })(value, "analysis");
  return value as Analysis; // parse: checked field by field above
}
