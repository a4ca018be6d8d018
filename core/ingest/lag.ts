/** How far sources are behind what they are read from, as it was measured last. */

/** What is there and has not landed; null where its kind does not know. */
export interface Lag {
  readonly bytes: number | null;
  readonly rows: number | null;
  /** How old what landed last is; 0 while nothing is missing. */
  readonly ms: number | null;
}

export interface MeasuredLag extends Lag {
  readonly source: string;
  readonly measuredMs: number;
}

/** The last measure of each source. It is no truth: a lake without it only says less. */
export interface LagStore {
  record(lags: readonly MeasuredLag[]): Promise<void>;
  all(): Promise<readonly MeasuredLag[]>;
}
