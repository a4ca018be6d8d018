/**
 * Headers that are not written as their records are: with an empty field too many, a quote that has no end, or another
 * delimiter. The names are there, as many as the fields of the records.
 */

import type { Cells } from "./header.ts";
import type { SampleShape } from "./sample.ts";
import { splitRecord } from "./scan.ts";

const DELIMITERS = [",", ";", "\t", "|"];
/** Where spaces part names, some are in quotes: a title of as many words is none of those. */
const SPACE = " ";
/** Of two names each other reading finds some. */
const NAMES_MIN = 3;

/** The names of a line that is to be the header of records of so many fields; null where they are not to be told. */
export function mendedHeader(
  line: string,
  width: number,
  shape: SampleShape,
): readonly string[] | null {
  if (shape.quote === null) return null;
  for (const fields of readings(line, shape)) {
    const names = fields.flatMap((field) => (field === null || field.trim() === "" ? [] : [field]));
    const different = new Set(names.map((name) => name.trim().toLowerCase()));
    if (names.length === width && different.size === width) return names;
  }
  return null;
}

function* readings(line: string, shape: SampleShape): Generator<Cells> {
  const records = { ...shape, closing: 0, columns: 0 };
  const fields = splitRecord(line, records);
  yield fields;
  const isCut = fields.length > 1 || line.includes(shape.delimiter);
  if (isCut) yield unquoted(splitRecord(line, { ...records, quote: null }), shape.quote);
  const isSpaced = !isCut && line.includes(`${shape.quote}${SPACE}`);
  const delimiters = isSpaced ? [...DELIMITERS, SPACE] : DELIMITERS;
  for (const delimiter of delimiters) {
    const names = splitRecord(line, { ...records, delimiter, padded: delimiter !== SPACE });
    if (names.length >= NAMES_MIN) yield names;
  }
}

/** Quotes around a field are those of it; one alone is a character. */
function unquoted(fields: Cells, quote: string | null): Cells {
  return fields.map((field) => {
    if (field === null || quote === null || field.length < 2) return field;
    const isQuoted = field.startsWith(quote) && field.endsWith(quote);
    return isQuoted ? field.slice(1, -1).replaceAll(quote + quote, quote) : field;
  });
}
