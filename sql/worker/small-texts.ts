/** Which drops are small texts that may be read without an engine, by how they are called and by what came before. */

import type { DecodeRequest } from "../../core/engine.ts";
import { KEPT_TEXT_BYTES_MAX } from "../../core/limits.ts";

const ENDING = /\.(?:json|jsonl|ndjson)$/i;
/** So many texts of a source that had odd rows are read by the engine at once. */
const PASSED_OVER = 16;
/** Sources remembered; the others are tried. */
const SOURCES_MAX = 1_000;

export class SmallTexts {
  /** What was asked last is one: what is asked next probably is. */
  isNext = false;
  /** By source: how many are still passed over. */
  readonly #passedOver = new Map<string, number>();

  /** Whether it is worth a try. */
  isDue(request: DecodeRequest): boolean {
    this.isNext = isSmallText(request) && !this.#isPassedOver(request.source);
    return this.isNext;
  }

  /** What came of it. */
  tell({ source }: DecodeRequest, isRead: boolean): void {
    if (isRead) return;
    if (this.#passedOver.size >= SOURCES_MAX) this.#passedOver.clear();
    this.#passedOver.set(source, PASSED_OVER);
    this.isNext = false;
  }

  #isPassedOver(source: string): boolean {
    const left = this.#passedOver.get(source) ?? 0;
    if (left > 1) this.#passedOver.set(source, left - 1);
    else this.#passedOver.delete(source);
    return left > 0;
  }
}

/** One drop, small, and called like lines of JSON. */
export function isSmallText({ files, fixes, read }: DecodeRequest): boolean {
  const [file, ...others] = files;
  if (file === undefined || others.length > 0 || (fixes ?? []).length > 0) return false;
  const isCalledSo = read.format === null ? ENDING.test(file.name) : read.format === "json";
  return isCalledSo && file.sizeBytes <= KEPT_TEXT_BYTES_MAX;
}
