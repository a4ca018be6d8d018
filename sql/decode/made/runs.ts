/** Small numbers that often repeat, as runs: how often, then which. Parquet format, "Run Length Encoding". */

const FIRST_RUNS = 256;
/** A run has at most so many bytes of how often, and of which. */
const RUN_BYTES_MAX = 5 + 4;

export class Runs {
  #values = new Int32Array(FIRST_RUNS);
  #counts = new Int32Array(FIRST_RUNS);
  #runs = 0;
  /** Of the run that goes on. */
  #value = -1;
  #markedRuns = 0;
  /** Of the last of them. */
  #markedCount = 0;

  /** What comes from here on can be taken back, until all is taken. */
  mark(): void {
    this.#markedRuns = this.#runs;
    this.#markedCount = this.#counts[this.#runs - 1] ?? 0;
  }

  /** Takes back what came since the mark. */
  reset(): void {
    const last = this.#markedRuns - 1;
    this.#runs = this.#markedRuns;
    if (last >= 0) this.#counts[last] = this.#markedCount;
    this.#value = this.#values[last] ?? -1;
  }

  push(value: number, entries: number): void {
    if (value === this.#value) {
      const last = this.#runs - 1;
      this.#counts[last] = (this.#counts[last] ?? 0) + entries;
      return;
    }
    if (this.#runs === this.#values.length) this.#grow();
    this.#values[this.#runs] = value;
    this.#counts[this.#runs] = entries;
    this.#runs++;
    this.#value = value;
  }

  /** The runs so far, each number in so many bytes. Empties it. */
  take(width: number): Buffer {
    const bytes = Buffer.allocUnsafe(this.#runs * RUN_BYTES_MAX);
    let length = 0;
    for (let run = 0; run < this.#runs; run++) {
      let rest = (this.#counts[run] ?? 0) * 2;
      for (; rest >= 128; rest = Math.floor(rest / 128)) bytes[length++] = (rest % 128) + 128;
      bytes[length++] = rest;
      const value = this.#values[run] ?? 0;
      for (let byte = 0; byte < width; byte++) bytes[length++] = (value >>> (8 * byte)) & 255;
    }
    this.#runs = 0;
    this.#value = -1;
    return bytes.subarray(0, length);
  }

  #grow(): void {
    const [values, counts] = [this.#values, this.#counts];
    this.#values = new Int32Array(2 * values.length);
    this.#counts = new Int32Array(2 * counts.length);
    this.#values.set(values);
    this.#counts.set(counts);
  }
}
