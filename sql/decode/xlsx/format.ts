/** Number formats of spreadsheets: which of them make a number a date or a time. */

/** `elapsed` is a duration (`[h]:mm`): its number of days stays a number. */
export type NumberKind = "number" | "date" | "time" | "datetime" | "elapsed";

/** Formats that every spreadsheet has. ECMA-376, 18.8.30. Those from 27 on differ by language. */
const BUILT_IN: readonly (readonly [from: number, to: number, kind: NumberKind])[] = [
  [14, 17, "date"],
  [18, 21, "time"],
  [22, 22, "datetime"],
  [27, 31, "date"],
  [32, 35, "time"],
  [36, 36, "date"],
  [45, 45, "time"],
  [46, 46, "elapsed"],
  [47, 47, "time"],
  [50, 54, "date"],
  [55, 56, "time"],
  [57, 58, "date"],
];

export function builtInKind(id: number): NumberKind {
  return BUILT_IN.find(([from, to]) => id >= from && id <= to)?.[2] ?? "number";
}

/** The kind of a format code such as `yyyy-mm-dd;@`. */
export function formatKind(code: string): NumberKind {
  let letters = "";
  for (let at = 0; at < code.length; at++) {
    const char = code[at] ?? "";
    if (char === ";") break;
    if (char === '"') at = endOf(code, '"', at);
    else if (char === "\\" || char === "_" || char === "*") at++;
    else if (char === "[") {
      const end = endOf(code, "]", at);
      if (/^(?:h+|m+|s+)$/i.test(code.slice(at + 1, end))) return "elapsed";
      at = end;
    } else letters += char.toLowerCase();
  }
  const plain = letters.replace(/am\/pm|a\/p/g, "h").replace(/general/g, "");
  const hasTime = /[hs]/.test(plain);
  if (/[yd]/.test(plain)) return hasTime ? "datetime" : "date";
  if (hasTime) return "time";
  return plain.includes("m") ? "date" : "number";
}

function endOf(code: string, mark: string, from: number): number {
  const end = code.indexOf(mark, from + 1);
  return end < 0 ? code.length : end;
}
