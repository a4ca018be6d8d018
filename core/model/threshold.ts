/** How many rows a test may find before it warns or fails, in dbt's words: `!= 0`, `> 10`. */

export interface Threshold {
  readonly op: "=" | "!=" | "<" | "<=" | ">" | ">=";
  readonly count: number;
}

export interface Thresholds {
  /** Absent: any row warns. */
  readonly warnIf?: Threshold;
  /** Absent: any row fails, where the test may fail at all. */
  readonly errorIf?: Threshold;
}

const WRITTEN = /^\s*(<=|>=|!=|<>|==|=|<|>)\s*(\d{1,15})\s*$/;

/** `> 10`; null for what is none. */
export function thresholdFrom(text: string): Threshold | null {
  const [, sign, digits] = WRITTEN.exec(text) ?? [];
  if (sign === undefined) return null;
  const op = sign === "<>" ? "!=" : sign === "==" ? "=" : sign;
  // parse: the pattern has no other signs
  return { op: op as Threshold["op"], count: Number(digits) }; // parse: see above
}

/** What so many rows come to. `mayFail`: the test fails for what it finds, and does not only tell of it. */
export function statusOf(
  rows: bigint,
  mayFail: boolean,
  { warnIf, errorIf }: Thresholds,
): "pass" | "warn" | "fail" {
  const any: Threshold = { op: "!=", count: 0 };
  const fails = errorIf !== undefined || mayFail;
  if (fails && isMet(errorIf ?? any, rows)) return "fail";
  return isMet(warnIf ?? any, rows) ? "warn" : "pass";
}

function isMet({ op, count }: Threshold, rows: bigint): boolean {
  const limit = BigInt(count);
  switch (op) {
    case "=":
      return rows === limit;
    case "!=":
      return rows !== limit;
    case "<":
      return rows < limit;
    case "<=":
      return rows <= limit;
    case ">":
      return rows > limit;
    case ">=":
      return rows >= limit;
  }
}
