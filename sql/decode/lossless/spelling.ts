/**
 * Numbers and days as people of other countries write them, where tarn.yaml says so (`numbers`, `dates`): each text is
 * brought to the plain one that the rule of lossless typing knows, in SQL and in TypeScript. A text that is not written
 * so is no number; a day or moment may be plain as well, which no order of days can be taken for.
 */

import { must } from "../../../core/base/assert.ts";
import type { ReadOptions } from "../../../core/ingest/contract.ts";
import { dateParts, type NumberMarks, numberMarks } from "../../../core/ingest/notation.ts";
import type { Type } from "../../../core/table/types.ts";
import { quoteLiteral } from "../../syntax/quote.ts";

/** Behind a text that is not written as it is to be: then it is no number, and still itself. */
const NO_NUMBER = " ";
/** An address of a machine is no number, though its parts may be of three digits. */
const ADDRESS = Array(4).fill("(?:25[0-5]|2[0-4][0-9]|1?[0-9]{1,2})").join("[.]");
/** What stands around digits and is none. */
const SIGNS = "-() ";
const DAY_PARTS: ReadonlyMap<string, string> = new Map([
  ["D", "([0-9]{1,2})"],
  ["M", "([0-9]{1,2})"],
  ["Y", "([1-9][0-9]{3})"],
]);
const MINUTES = ":([0-9]{2})(?::([0-9]{2})([.,][0-9]{1,6})?)?";
/** Behind a day: nothing, an hour of twenty-four, or one of twelve with its half of the day. */
const TIMES = [
  "",
  `[ T]([01]?[0-9]|2[0-3])${MINUTES}`,
  `[ T](0?[1-9]|1[0-2])${MINUTES} ?([AaPp])[.]?[Mm][.]?`,
] as const;
const NUMBERS = new Set(["int", "long", "float", "double"]);
const MOMENTS = new Set(["date", "timestamp"]);

interface NumberShape {
  readonly pattern: string;
  /** Negative as accountants and SAP write it: `(1,00)`, `1,00-`. */
  readonly negative: string;
  readonly marks: NumberMarks;
}

interface MomentShape {
  readonly pattern: string;
  /** By part, the place of its group in the pattern. */
  readonly places: Readonly<Record<"D" | "M" | "Y", number>>;
}

/** Made by `of`, once for a request. */
export class Spelling {
  readonly #number: NumberShape | null;
  readonly #moments: readonly MomentShape[];

  private constructor(numbers: string | null, dates: string | null) {
    const marks = numbers === null ? null : numberMarks(numbers);
    this.#number = marks === null ? null : numberShape(marks);
    const parts = dates === null ? null : dateParts(dates);
    this.#moments = parts === null ? [] : momentShapes(parts);
  }

  /** Null where everything is written plainly. */
  static of({ numbers = null, dates = null }: Partial<ReadOptions>): Spelling | null {
    return numbers === null && dates === null ? null : new Spelling(numbers, dates);
  }

  /** The plain text of one that is to be of the type. */
  plain(type: Type, text: string): string {
    if (isNumber(type)) return this.#plainNumber(text);
    return isMoment(type) ? this.#plainMoment(text) : text;
  }

  /** The same of a SQL text. */
  sql(type: Type, text: string): string {
    if (isNumber(type)) return this.#numberSql(text);
    return isMoment(type) ? this.#momentSql(text) : text;
  }

  #plainNumber(text: string): string {
    if (this.#number === null) return text;
    const { pattern, negative, marks } = this.#number;
    const isOf = (shape: string): boolean => new RegExp(`^${shape}$`, "u").test(text);
    const digits = (): string => {
      const kept = [...text].filter((char) => !(marks.groups + SIGNS).includes(char));
      return kept.join("").replace(marks.decimal, ".");
    };
    if (isOf(negative)) return `-${digits()}`;
    if (!isOf(pattern) || isOf(ADDRESS)) return text + NO_NUMBER;
    return text.startsWith("-") ? `-${digits()}` : digits();
  }

  #numberSql(text: string): string {
    if (this.#number === null) return text;
    const { pattern, negative, marks } = this.#number;
    const digits = `translate(${text}, ${quoteLiteral(marks.decimal + marks.groups + SIGNS)}, '.')`;
    const isOf = (shape: string): string => `regexp_full_match(${text}, ${quoteLiteral(shape)})`;
    const isNumber = `${isOf(pattern)} AND NOT ${isOf(ADDRESS)}`;
    const signed = `CASE WHEN starts_with(${text}, '-') THEN '-' ELSE '' END || ${digits}`;
    return (
      `(CASE WHEN ${isNumber} THEN ${signed} WHEN ${isOf(negative)} THEN '-' || ${digits} ` +
      `ELSE ${text} || ${quoteLiteral(NO_NUMBER)} END)`
    );
  }

  #plainMoment(text: string): string {
    for (const { pattern, places } of this.#moments) {
      const groups = new RegExp(`^${pattern}$`).exec(text);
      if (groups === null) continue;
      const part = (at: number) => must(groups[at], "what matched has its parts");
      const day = [
        part(places.Y),
        part(places.M).padStart(2, "0"),
        part(places.D).padStart(2, "0"),
      ];
      const date = day.join("-");
      const [hour, minute = "", second = "00", fraction = "", half] = groups.slice(4);
      if (hour === undefined) return date;
      const twelve = (Number(hour) % 12) + (half?.toUpperCase() === "P" ? 12 : 0);
      const of24 = half === undefined ? hour : String(twelve);
      return `${date} ${of24.padStart(2, "0")}:${minute}:${second}${fraction.replace(",", ".")}`;
    }
    return text;
  }

  #momentSql(text: string): string {
    if (this.#moments.length === 0) return text;
    const branches = this.#moments.map(({ pattern, places }, index) => {
      const literal = quoteLiteral(`^${pattern}$`);
      const group = (at: number) => `regexp_extract(${text}, ${literal}, ${at})`;
      const two = (sql: string) => `lpad(${sql}, 2, '0')`;
      const date = `${group(places.Y)} || '-' || ${two(group(places.M))} || '-' || ${two(group(places.D))}`;
      const isHalf = index === 2;
      const half = `CASE WHEN upper(${group(8)}) = 'P' THEN 12 ELSE 0 END`;
      const twelve = `((CAST(${group(4)} AS INTEGER) % 12) + ${half})::VARCHAR`;
      const hour = two(isHalf ? twelve : group(4));
      const second = `CASE WHEN ${group(6)} = '' THEN '00' ELSE ${group(6)} END`;
      const time = ` || ' ' || ${hour} || ':' || ${group(5)} || ':' || ${second} || replace(${group(7)}, ',', '.')`;
      return `WHEN regexp_full_match(${text}, ${quoteLiteral(pattern)}) THEN ${date}${index === 0 ? "" : time}`;
    });
    return `(CASE ${branches.join(" ")} ELSE ${text} END)`;
  }
}

function isNumber(type: Type): boolean {
  return type.kind === "decimal" || (type.kind === "primitive" && NUMBERS.has(type.name));
}

function isMoment(type: Type): boolean {
  return type.kind === "primitive" && MOMENTS.has(type.name);
}

/** Digits in groups of three, or without any. */
function numberShape(marks: NumberMarks): NumberShape {
  const [decimal, groups] = [oneOf(marks.decimal), marks.groups];
  const grouped = groups === "" ? "" : `[0-9]{1,3}(?:${oneOf(groups)}[0-9]{3})+|`;
  const digits = `(?:(?:${grouped}[0-9]+)(?:${decimal}[0-9]+)?|${decimal}[0-9]+)`;
  return { pattern: `-?${digits}`, negative: `(?:${digits} ?-|[(]${digits}[)])`, marks };
}

function momentShapes(parts: readonly string[]): MomentShape[] {
  const day = parts.map((part) => DAY_PARTS.get(part) ?? [...part].map(oneOf).join("")).join("");
  const order = parts.filter((part) => DAY_PARTS.has(part));
  const places = {
    D: order.indexOf("D") + 1,
    M: order.indexOf("M") + 1,
    Y: order.indexOf("Y") + 1,
  };
  return TIMES.map((time) => ({ pattern: `${day}${time}`, places }));
}

/** Any one of the characters. */
function oneOf(chars: string): string {
  return `[${chars}]`;
}
