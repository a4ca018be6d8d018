/** A JSON text made ready to read: one value a line. */

import { closeSync, openSync, statSync } from "node:fs";
import type { Dialect } from "../../../core/engine.ts";
import { copyRange, markBytes } from "../encoding.ts";
import {
  dialectOf,
  HEAD_BYTES,
  NO_TEXT,
  NOTHING_BEFORE,
  type Prepared,
  refuseTail,
  sizes,
  type TextBase,
  type TextHow,
} from "../prepared.ts";
import { parseExact } from "./parse.ts";
import { splitJson } from "./split.ts";

/** `known` skips finding out how the values stand. */
export function prepareJson(base: TextBase, known: Dialect | null, how: TextHow): Prepared {
  const { file, head } = base;
  const layout = known?.jsonLayout ?? jsonLayout(head);
  const dialect: Dialect = {
    ...dialectOf("json", how.encoding, how.compression),
    jsonLayout: layout,
  };
  const shared = { ...NO_TEXT, file, dialect };
  if (layout !== "lines") {
    refuseTail(file, "a JSON array");
    const path = base.temp("lines");
    const count = splitJson(base.path, layout, path);
    const sizeBytes = statSync(path).size;
    return { ...shared, positions: "row", path, sizeBytes, lines: count, ...NOTHING_BEFORE };
  }
  const skip = how.fromByte > 0 ? how.fromByte : markBytes(head);
  const positions = "line";
  if (skip === 0) {
    const counted = base.plain ? file.newlines : null;
    return {
      ...shared,
      positions,
      path: base.path,
      ...sizes(base.path, counted),
      ...NOTHING_BEFORE,
    };
  }
  const path = base.temp("tail");
  const out = openSync(path, "w");
  try {
    const linesBefore = how.fromByte > 0 ? copyRange(base.path, 0, skip, -1) : 0;
    copyRange(base.path, skip, null, out);
    return {
      ...shared,
      positions,
      path,
      ...sizes(path, null),
      linesBefore,
      rowsBefore: linesBefore,
    };
  } finally {
    closeSync(out);
  }
}

/** Whether each line is a value; else one array, else values that span lines. */
function jsonLayout(head: Uint8Array): "lines" | "array" | "objects" {
  // A text that was cut may end within a character.
  const text = new TextDecoder().decode(head.subarray(markBytes(head))).replace(/\ufffd+$/, "");
  const lines = text.split("\n").filter((line) => line.trim() !== "");
  const isWhole = head.length < HEAD_BYTES;
  const sample = lines.slice(
    0,
    isWhole || lines.length === 1 ? 20 : Math.min(20, lines.length - 1),
  );
  const objects = sample.filter(isObject).length;
  if (objects > 0 && objects * 2 >= sample.length) return "lines";
  if (/^\s*\[/.test(text)) return "array";
  // `{` alone, or `{"a": 1,`: the first value goes on.
  const first = sample[0]?.trim() ?? "";
  return first.startsWith("{") && !isObject(first) ? "objects" : "lines";
}

function isObject(line: string): boolean {
  try {
    return parseExact(line).kind === "object";
  } catch {
    return false;
  }
}
