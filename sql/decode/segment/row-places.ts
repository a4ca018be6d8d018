/** Where rows stand in their transaction, group by group: mostly one behind the other. */

/** More runs than that are not kept: rows of several tables take turns. */
const RUNS_MAX = 4 * 1024 * 1024;
const FIRST_RUNS = 64;

export class RowPlaces {
  /** Pairs: the first place, and how many follow it. */
  #runs = new Uint32Array(2 * FIRST_RUNS);
  #length = 0;
  #next = -1;
  /** Where the runs of a group begin; the open one is the last. */
  readonly #groups = [0];
  isTooMany = false;

  add(place: number): void {
    if (place === this.#next) {
      const at = 2 * this.#length - 1;
      this.#runs[at] = (this.#runs[at] ?? 0) + 1;
    } else this.#begin(place);
    this.#next = place + 1;
  }

  /** Rows to come are of another group. */
  group(): void {
    this.#groups.push(this.#length);
    this.#next = -1;
  }

  each(group: number, tell: (place: number) => void): void {
    const end = this.#groups[group + 1] ?? this.#length;
    for (let run = this.#groups[group] ?? end; run < end; run++) {
      const first = this.#runs[2 * run] ?? 0;
      const count = this.#runs[2 * run + 1] ?? 0;
      for (let index = 0; index < count; index++) tell(first + index);
    }
  }

  #begin(place: number): void {
    if (this.#length >= RUNS_MAX) {
      this.isTooMany = true;
      return;
    }
    if (2 * this.#length === this.#runs.length) {
      const larger = new Uint32Array(2 * this.#runs.length);
      larger.set(this.#runs);
      this.#runs = larger;
    }
    this.#runs[2 * this.#length] = place;
    this.#runs[2 * this.#length + 1] = 1;
    this.#length += 1;
  }
}
