/**
 * How far event time has come in what a model reads: the greatest time of each input less its delay, of all inputs the
 * least. semantics.md, 5.5; the words are Flink's.
 */

import type { TableName } from "../table/types.ts";

/** What was seen of one input. Times are microseconds since 1970 in UTC. */
export interface SeenInput {
  readonly table: TableName;
  /** The greatest time that is not too far ahead; null: none. */
  readonly seenUs: bigint | null;
  /** Rows whose time is too far ahead to be believed, and the greatest of their times. */
  readonly futureRows: bigint;
  readonly furthestUs: bigint | null;
}

/** An input as it stands in the state of a model. */
export interface InputState extends SeenInput {
  readonly column: string;
  readonly delayMs: number;
  readonly idleTimeoutMs: number | null;
  /** When rows came last; null where there were none. */
  readonly cameMs: number | null;
}

/** Where a model stands in event time; a part of its cursor. */
export interface WatermarkState {
  /** No window that ends later is in the table; null: none is. */
  readonly us: bigint | null;
  /** The one from before the batch, by which rows of the batch were late. */
  readonly beforeUs: bigint | null;
  /** Rows that the last run found to be late. */
  readonly lateRows: bigint;
  readonly inputs: readonly InputState[];
}

/** What counts of an input. */
export interface Advancing {
  readonly seenUs: bigint | null;
  readonly delayUs: bigint;
  readonly isIdle: boolean;
}

/** The watermark of one input; null: it has seen nothing. */
export function ownWatermark({ seenUs, delayUs }: Omit<Advancing, "isIdle">): bigint | null {
  return seenUs === null ? null : seenUs - delayUs;
}

/**
 * The least over inputs that are not idle: one that has seen nothing yet holds all back. Where all are idle nobody is
 * waited for: the greatest of them.
 */
export function watermarkOf(inputs: readonly Advancing[]): bigint | null {
  const active = inputs.filter(({ isIdle }) => !isIdle);
  const marks = (active.length > 0 ? active : inputs).map(ownWatermark);
  if (active.length > 0 && marks.includes(null)) return null;
  const known = marks.filter((mark) => mark !== null);
  return known.reduce<bigint | null>((chosen, mark) => {
    if (chosen === null) return mark;
    return active.length > 0 === mark < chosen ? mark : chosen;
  }, null);
}

/** No rows came for its timeout. */
export function isIdle(
  { idleTimeoutMs, cameMs }: Pick<InputState, "idleTimeoutMs" | "cameMs">,
  nowMs: number,
): boolean {
  return idleTimeoutMs !== null && (cameMs === null || nowMs - cameMs >= idleTimeoutMs);
}

/** An input as it stands now. */
export interface InputStanding extends InputState {
  /** Its own watermark; null: it has seen nothing. */
  readonly us: bigint | null;
  readonly isIdle: boolean;
  /** The watermark of the model would be later without it. */
  readonly holdsBack: boolean;
}

/** Which inputs hold the watermark of a model back. */
export function standingOf({ inputs }: WatermarkState, nowMs: number): readonly InputStanding[] {
  const all = inputs.map((input) => ({
    ...input,
    us: ownWatermark({ seenUs: input.seenUs, delayUs: BigInt(input.delayMs) * 1000n }),
    isIdle: isIdle(input, nowMs),
  }));
  const active = all.filter((input) => !input.isIdle);
  const isLeast = (us: bigint | null): boolean =>
    us === null || active.every((other) => other.us !== null && other.us >= us);
  return all.map((input) => ({ ...input, holdsBack: !input.isIdle && isLeast(input.us) }));
}
