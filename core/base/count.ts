/** Counts in messages: digits in threes, and the noun that belongs to them. */

/** `1,204,110`. */
export function thousands(value: number | bigint): string {
  const text = value.toString();
  const [whole = "", fraction] = text.split(".");
  const grouped = whole.replace(/\B(?=(\d{3})+$)/g, ",");
  return fraction === undefined ? grouped : `${grouped}.${fraction}`;
}

/** `1 row`, `1,204 rows`. */
export function counted(value: number | bigint, noun: string, plural = `${noun}s`): string {
  return `${thousands(value)} ${BigInt(value) === 1n ? noun : plural}`;
}
