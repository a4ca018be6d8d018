/** Sizes as people write them: `64MB` (powers of ten), `1.5GiB` (powers of two), `4096` (bytes). */

const BYTES_BY_UNIT: ReadonlyMap<string, number> = new Map([
  ["", 1],
  ["b", 1],
  ["kb", 1e3],
  ["mb", 1e6],
  ["gb", 1e9],
  ["tb", 1e12],
  ["kib", 2 ** 10],
  ["mib", 2 ** 20],
  ["gib", 2 ** 30],
  ["tib", 2 ** 40],
]);

const SIZE = /^(\d+(?:\.\d+)?)([a-z]*)$/;

/** Bytes of a size, rounded to a whole one, or null when the text is none. */
export function parseSize(text: string): number | null {
  const match = SIZE.exec(text.trim().toLowerCase().replaceAll("_", "").replaceAll(" ", ""));
  const unitBytes = BYTES_BY_UNIT.get(match?.[2] ?? "?");
  if (match === null || unitBytes === undefined) return null;
  const bytes = Math.round(Number(match[1]) * unitBytes);
  return Number.isSafeInteger(bytes) ? bytes : null;
}
