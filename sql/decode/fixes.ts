/** Corrections of the rows of files: found by a row's place, or by its id once the row is set aside. */

import type { ClaimedFile, RowFix } from "../../core/engine.ts";
import { type Place, positionOf } from "./rejects.ts";

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
      const ofFile = this.#rawByPosition.get(place.file) ?? new Map<string, string | null>();
      this.#rawByPosition.set(place.file, ofFile.set(place.position, raw));
    }
  }

  /** For a row that is looked at anyway: one hash where places are not known. */
  of(file: ClaimedFile, place: Place): Correction {
    const raw = this.#rawByPosition.get(file.name)?.get(positionOf(place));
    if (raw !== undefined || this.#rawById.size === 0) return raw;
    return this.#rawById.get(oldId(file.sha256, positionOf(place)));
  }

  /** Rows of a file that are not what stands in it, by position, whether they would fit or not. */
  placed(file: ClaimedFile): ReadonlyMap<string, string | null> {
    return this.#rawByPosition.get(file.name) ?? NONE;
  }
}

/** What a row was known by when its place was not kept with its fix. */
export function oldId(sha256: string, position: string): string {
  return new Bun.CryptoHasher("sha256").update(`${sha256}:${position}`).digest("hex");
}
