/** How numbers and days are written in texts of other countries: what `numbers` and `dates` of tarn.yaml may say. */

/** A number as it is written, by the country or language that people would name. */
const NUMBERS: Readonly<Record<string, string>> = {
  de: "1.234,56",
  en: "1,234.56",
  fr: "1 234,56",
  ch: "1'234.56",
};
/** 1234.56, with or without a mark between its groups. */
const EXAMPLE = /^1([^\d]?)234([.,])56$/u;
/** Marks between groups: what one writer takes of a line another takes for the same. */
const GROUPS = [" \u00a0\u202f\u2009", "'’", ".", ",", "_"];
/** Days, months and years, and what stands between them. */
const PART = /D+|M+|Y+|[^DMY]+/gi;
const BETWEEN = /^[./\- ,]+$/;
const DIGITS = { D: [1, 2], M: [1, 2], Y: [4] } as const;

export interface NumberMarks {
  readonly decimal: "." | ",";
  /** Each of them may stand between groups of three digits; empty: none does. */
  readonly groups: string;
}

/** The example that a word stands for, or the example itself; null where it is neither. */
export function numbersFrom(text: string): string | null {
  const known = NUMBERS[text.trim().toLowerCase()];
  if (known !== undefined) return known;
  return numberMarks(text) === null ? null : text;
}

/** The marks of `1.234,56`; null for what is no such example. */
export function numberMarks(example: string): NumberMarks | null {
  const [, group = "", decimal = ""] = EXAMPLE.exec(example) ?? [];
  if ((decimal !== "." && decimal !== ",") || group === decimal) return null;
  if (group === "") return { decimal, groups: "" };
  const groups = GROUPS.find((marks) => marks.includes(group));
  return groups === undefined ? null : { decimal, groups };
}

/**
 * The parts of `DD.MM.YYYY` in their order: D, M and Y for a day, a month and a year, and the texts between them. Null
 * where one is missing, comes twice or touches another, and for the plain order, which needs no word.
 */
export function dateParts(text: string): readonly string[] | null {
  const given = text.match(PART) ?? [];
  const parts: string[] = [];
  for (const [index, part] of given.entries()) {
    const name = part.slice(0, 1).toUpperCase();
    const isNamed = name === "D" || name === "M" || name === "Y";
    if (isNamed !== (index % 2 === 0)) return null;
    const isRight = isNamed
      ? !parts.includes(name) && DIGITS[name].some((digits) => digits === part.length)
      : BETWEEN.test(part);
    if (!isRight) return null;
    parts.push(isNamed ? name : part);
  }
  return parts.length === 5 && parts.join("") !== "Y-M-D" ? parts : null;
}
