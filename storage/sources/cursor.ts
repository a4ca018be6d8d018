/** Values that grow with what is new, as texts: numbers, instants, and whatever else sorts as text. */

/** Seconds below, milliseconds above: of a number that is a time. */
const MILLISECONDS_MIN = 100_000_000_000;
const MS_PER_SECOND = 1_000;
/** A date, a time of day with any digits behind its seconds, and a zone, where there is one. */
const INSTANT =
  /^(\d{4}-\d\d-\d\d)(?:([T ])(\d\d:\d\d(?::\d\d)?)(?:\.\d+)?(Z|[+-]\d\d(?::?\d\d)?)?)?$/;

/** By their numbers where both are some, else as texts, as instants of one form sort. */
export function isLess(a: string, b: string): boolean {
  if (isWhole(a) && isWhole(b)) return BigInt(a) < BigInt(b);
  return isNumber(a) && isNumber(b) ? Number(a) < Number(b) : a < b;
}

/** The greater of two; null is none. */
export function greater(a: string | null, b: string | null): string | null {
  if (a === null || b === null) return a ?? b;
  return isLess(a, b) ? b : a;
}

/**
 * A cursor some time before, in the form that it has: a text without a zone stays one. A number is seconds or
 * milliseconds since 1970. What is no time stays as it is.
 */
export function earlier(mark: string, byMs: number): string {
  if (byMs === 0) return mark;
  if (/^\d+$/.test(mark)) {
    const isSeconds = Number(mark) < MILLISECONDS_MIN;
    return String(BigInt(mark) - BigInt(isSeconds ? Math.ceil(byMs / MS_PER_SECOND) : byMs));
  }
  const [, day, between, clock = "00:00:00", zone = ""] = INSTANT.exec(mark) ?? [];
  if (day === undefined) return mark;
  // The wall clock of the text goes back; its zone stays. Digits behind the seconds fall away, which is earlier still.
  const time = Date.parse(`${day}T${clock}Z`);
  if (Number.isNaN(time)) return mark;
  const [date = "", rest = ""] = new Date(time - byMs).toISOString().split("T");
  return between === undefined ? date : `${date}${between}${rest.replace("Z", "")}${zone}`;
}

function isWhole(text: string): boolean {
  return /^-?\d+$/.test(text);
}

function isNumber(text: string): boolean {
  return /^-?\d+(\.\d+)?$/.test(text);
}
