/** Counts, sizes and durations, as people read and write them. */

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

/** Milliseconds of each unit, from large to small. */
const MS_BY_UNIT: ReadonlyMap<string, number> = new Map([
  ["w", 7 * 24 * 3_600_000],
  ["d", 24 * 3_600_000],
  ["h", 3_600_000],
  ["m", 60_000],
  ["s", 1_000],
  ["ms", 1],
]);

const PART = /^(\d+(?:\.\d+)?)(ms|w|d|h|m|s)/;

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

/** Bytes of a size, rounded to a whole one, or null when the text is none. */
export function parseSize(text: string): number | null {
  const match = SIZE.exec(text.trim().toLowerCase().replaceAll("_", "").replaceAll(" ", ""));
  const unitBytes = BYTES_BY_UNIT.get(match?.[2] ?? "?");
  if (match === null || unitBytes === undefined) return null;
  const bytes = Math.round(Number(match[1]) * unitBytes);
  return Number.isSafeInteger(bytes) ? bytes : null;
}

/** The shortest exact text of a size: `256MiB`, `1500000`. `parseSize` reads it back. */
export function formatSize(sizeBytes: number): string {
  for (const [unit, bytes] of SHOWN_UNITS) {
    if (sizeBytes >= bytes && sizeBytes % bytes === 0) return `${sizeBytes / bytes}${unit}`;
  }
  return String(sizeBytes);
}

const SHOWN_UNITS = [
  ["GiB", 2 ** 30],
  ["MiB", 2 ** 20],
  ["KiB", 2 ** 10],
] as const;

/**
 * Milliseconds of a duration, or null when the text is none. Units go from large to small, each at most once; a bare
 * number has no unit and is none, except `0`.
 */
export function parseDuration(text: string): number | null {
  let rest = text.trim().toLowerCase().replaceAll("_", "").replaceAll(" ", "");
  if (rest === "0") return 0;
  if (rest === "") return null;
  let totalMs = 0;
  let lastUnitMs = Number.POSITIVE_INFINITY;
  while (rest !== "") {
    const part = PART.exec(rest);
    const unitMs = MS_BY_UNIT.get(part?.[2] ?? "");
    if (part === null || unitMs === undefined || unitMs >= lastUnitMs) return null;
    totalMs += Number(part[1]) * unitMs;
    lastUnitMs = unitMs;
    rest = rest.slice(part[0].length);
  }
  const rounded = Math.round(totalMs);
  return Number.isSafeInteger(rounded) ? rounded : null;
}

/** The shortest exact text of a duration: `1h30m`, `200ms`, `0s`. `parseDuration` reads it back. */
export function formatDuration(durationMs: number): string {
  let restMs = Math.max(0, Math.round(durationMs));
  if (restMs === 0) return "0s";
  let text = "";
  for (const [unit, unitMs] of MS_BY_UNIT) {
    // Weeks are read, not written: 14d is what people say.
    if (unit === "w" || restMs < unitMs) continue;
    text += `${Math.floor(restMs / unitMs)}${unit}`;
    restMs %= unitMs;
  }
  return text;
}
