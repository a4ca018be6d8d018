/** Instants as text, to the microsecond. */

/** The instant in ISO 8601, to the microsecond where it has any. */
export function microsText(us: bigint): string {
  const millis = us >= 0n || us % 1000n === 0n ? us / 1000n : us / 1000n - 1n;
  const rest = us - millis * 1000n;
  const text = new Date(Number(millis)).toISOString();
  return rest === 0n ? text : text.replace("Z", `${String(rest).padStart(3, "0")}Z`);
}
