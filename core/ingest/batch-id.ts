/** Batch ids: sortable text, so that a later batch of a source always compares greater. */

const TIME_DIGITS = 9;
const TIME_BASE = 36;

/**
 * `<milliseconds in base 36>-<8 hex>`; the time part is greater than that of `previous`, whatever the clock says.
 * Merge models order rows by it.
 */
export function nextBatchId(nowMs: number, previous: string | null, uuid: string): string {
  const floor = previous === null ? 0 : batchTimeMs(previous) + 1;
  const time = Math.max(nowMs, floor).toString(TIME_BASE).padStart(TIME_DIGITS, "0");
  return `${time}-${uuid.replaceAll("-", "").slice(0, 8)}`;
}

/** The time part of a batch id. */
export function batchTimeMs(batch: string): number {
  return Number.parseInt(batch.slice(0, TIME_DIGITS), TIME_BASE);
}
