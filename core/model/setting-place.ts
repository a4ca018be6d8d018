/** Where a setting of a model stands in its file. */

import type { Place } from "../base/errors.ts";
import { placeAt } from "../config/place.ts";
import type { Model } from "./model.ts";

/** The first place in the front comment, from a setting's name on, where a word is written. */
export function settingPlace(model: Model, word: string, setting: string | null = null): Place {
  const end = model.text.split("\n", model.sqlLine - 1).join("\n").length;
  const front = model.text.slice(0, end);
  const start = setting === null ? 0 : Math.max(0, front.indexOf(`${setting}:`));
  const bounded = new RegExp(`(?<![\\p{L}\\p{N}_])${escaped(word)}(?![\\p{L}\\p{N}_])`, "u");
  const found = bounded.exec(front.slice(start));
  if (found === null) return { file: model.file, line: 1, column: 1 };
  return placeAt(front, model.file, { offset: start + found.index, length: word.length });
}

function escaped(word: string): string {
  return word.replace(/[\\^$.*+?()[\]{}|]/g, (char) => `\\${char}`);
}
