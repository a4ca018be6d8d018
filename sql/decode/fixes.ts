/** Corrections of the rows of files: found by a row's place, or by its id once the row is set aside. */

import type { RowFix } from "../../core/engine.ts";
import { type Place, positionOf, rejectId } from "./rejects.ts";

/** A text that stands for the row; null takes it out; undefined leaves it as it is. */
export type Correction = string | null | undefined;

const POSITION = /^(line|row) \d+$/;
const NONE: ReadonlyMap<string, string | null> = new Map();

export class Fixes {
  readonly #rawById: ReadonlyMap<string, string | null>;
  readonly #rawByPosition = new Map<string, Map<string, string | null>>();

  constructor(fixes: readonly RowFix[]) {
    const placeless = fixes.filter((fix) => fix.place === null);
    this.#rawById = new Map(placeless.map((fix) => [fix.id, fix.raw]));
    for (const { place, raw } of fixes) {
      if (place === null || !POSITION.test(place.position)) continue;
      const ofFile = this.#rawByPosition.get(place.sha256) ?? new Map<string, string | null>();
      this.#rawByPosition.set(place.sha256, ofFile.set(place.position, raw));
    }
  }

  /** For a row that is looked at anyway: one hash where places are not known. */
  of(sha256: string, place: Place): Correction {
    const raw = this.#rawByPosition.get(sha256)?.get(positionOf(place));
    if (raw !== undefined || this.#rawById.size === 0) return raw;
    return this.#rawById.get(rejectId(sha256, positionOf(place)));
  }

  /** Rows of a file that are not what stands in it, by position, whether they would fit or not. */
  placed(sha256: string): ReadonlyMap<string, string | null> {
    return this.#rawByPosition.get(sha256) ?? NONE;
  }
}
