/** The checks of a CSV's rows, made of the bytes of its records: what the statement says of them, beside it. */

import { plainText, type Reader } from "../lossless/plain-json.ts";
import { splitRecord } from "./record-text.ts";
import type { CsvShape } from "./shape.ts";
import type { Check, CsvPlan } from "./sql.ts";

/** A row that fails a check, by the check's place in the plan. */
export interface FailedCheck {
  readonly check: number;
  readonly text: string | null;
}

/** What has to be known of a field for its checks to hold at a glance. */
interface Place {
  /** Null where any text will do. */
  readonly reader: Reader | null;
  readonly isTyped: boolean;
  /** NULL will not do. */
  readonly isRequired: boolean;
  /** Nothing but NULL will do. */
  readonly isEmpty: boolean;
}

const ANYTHING: Place = { reader: null, isTyped: false, isRequired: false, isEmpty: false };
const TEXT_CHARS_MAX = 1_000;

export class RowTest {
  readonly #checks: readonly Check[];
  readonly #shape: CsvShape;
  readonly #nulls: readonly string[];
  readonly #places: readonly Place[];
  readonly #delimiter: number;
  readonly #quote: number;

  /** Null for rows whose values are not checked as they stand. */
  static of(plan: CsvPlan, shape: CsvShape, nulls: readonly string[]): RowTest | null {
    const { escapeMark, padded = false, closing = 0, delimiter } = shape;
    const isOdd = (escapeMark ?? null) !== null || padded || closing > 0 || delimiter.length > 1;
    const isMade = plan.expressions.length > 0 || plan.spelling !== null;
    // A column that is required and not there: no row passes.
    const isNone = plan.checks.some(({ at, test }) => at < 0 && !test(null));
    return isOdd || isMade || isNone ? null : new RowTest(plan, shape, nulls);
  }

  private constructor(plan: CsvPlan, shape: CsvShape, nulls: readonly string[]) {
    this.#checks = plan.checks;
    this.#shape = shape;
    this.#nulls = nulls;
    this.#places = plan.names.map((_, at) => placeOf(plan, at));
    this.#delimiter = shape.delimiter.charCodeAt(0);
    this.#quote = shape.quote === null ? -1 : shape.quote.charCodeAt(0);
  }

  /** The first check that a record fails. Null: all hold. */
  failed(bytes: Uint8Array, start: number, end: number): FailedCheck | null {
    if (this.#isPlain(bytes, start, end)) return null;
    const record = Buffer.from(bytes.subarray(start, end)).toString();
    const fields = splitRecord(record, this.#shape, this.#nulls);
    for (const [check, { at, test }] of this.#checks.entries()) {
      const text = fields[at] ?? null;
      if (!test(text)) return { check, text: text?.slice(0, TEXT_CHARS_MAX) ?? null };
    }
    return null;
  }

  /** True only where every check holds; what is not seen at a glance is looked at closely. */
  #isPlain(bytes: Uint8Array, start: number, end: number): boolean {
    const [delimiter, quote] = [this.#delimiter, this.#quote];
    let at = start;
    for (const place of this.#places) {
      if (at > end) return false;
      let from = at;
      let to = at;
      const isQuoted = bytes[at] === quote;
      if (isQuoted) {
        from = at + 1;
        to = from;
        while (to < end && bytes[to] !== quote) to++;
        while (to + 1 < end && bytes[to + 1] === quote) {
          // A quote within: its text is another one.
          if (place.isTyped) return false;
          to += 2;
          while (to < end && bytes[to] !== quote) to++;
        }
        at = to + 1;
        if (at < end && bytes[at] !== delimiter) return false;
      } else {
        while (at < end && bytes[at] !== delimiter) at++;
        to = at;
      }
      if (!this.#isSeen(place, bytes, from, to, isQuoted)) return false;
      at++;
    }
    return at === end + 1;
  }

  #isSeen(
    { reader, isTyped, isRequired, isEmpty }: Place,
    bytes: Uint8Array,
    from: number,
    to: number,
    isQuoted: boolean,
  ): boolean {
    const isNull = from === to && !isQuoted;
    if (isEmpty && !isNull) return false;
    if (isNull) return !isRequired;
    // It may be a text that means NULL.
    if (isRequired && this.#nulls.length > 0) return false;
    return !isTyped || (reader !== null && reader(bytes, from) === to);
  }
}

function placeOf({ checks, columns }: CsvPlan, at: number): Place {
  const own = checks.filter((check) => check.at === at);
  if (own.length === 0) return ANYTHING;
  const typed = own.filter(({ reason, isFirst }) => reason === "type" && isFirst !== true);
  const [only, ...others] = typed;
  const column = columns.find(({ decode }) => decode.source === only?.column);
  const isKnown = column !== undefined && others.length === 0;
  const isRequired = own.some(({ reason }) => reason === "required");
  const left = own.filter((check) => check.reason !== "required" && !typed.includes(check));
  return {
    reader: isKnown ? plainText(column.field.type) : null,
    isTyped: typed.length > 0,
    isRequired,
    isEmpty: left.length > 0,
  };
}
