/** What a JSON Schema says and a contract cannot hold, gathered by what it is and told once with its columns. */

import type { Cursor, Issue } from "../config/shape.ts";

interface Spot {
  readonly way: string;
  readonly cursor: Cursor;
}

/** Remarks on one document. */
export class Remarks {
  readonly #byWord = new Map<string, Spot[]>();

  /** `word` is a keyword that is not checked or not kept, or one of the words of SENTENCES. */
  add(word: string, { way, cursor }: Spot): void {
    const spots = this.#byWord.get(word) ?? [];
    this.#byWord.set(word, spots);
    if (!spots.some((spot) => spot.way === way)) spots.push({ way, cursor });
  }

  /** As warnings, each at the first place that it is about. */
  report(cursor: Cursor): void {
    for (const [word, spots] of this.#byWord) {
      const [first = { way: "", cursor }] = spots;
      const shown = spots.slice(0, SHOWN_MAX).map(({ way }) => (way === "" ? "the record" : way));
      const more = spots.length - shown.length;
      const ways = `${shown.join(", ")}${more > 0 ? ` and ${more} more` : ""}`;
      const { said, hint } = sentence(word);
      const { path } = first.cursor;
      const issue: Issue = {
        path,
        at: "value",
        severity: "warning",
        message: `${said}: ${ways}`,
        hint,
      };
      cursor.issues.push(issue);
    }
  }
}

const SHOWN_MAX = 8;
const EXACTLY = 'to say its type: "x-tarn": {"type": "decimal(10,2)"}';

interface Sentence {
  readonly said: string;
  readonly hint: string | null;
}

const SENTENCES: Readonly<Record<string, Sentence>> = {
  any: { said: "anything may come, and lands as the text of its JSON", hint: EXACTLY },
  null: { said: "nothing but null may come, and the column is a text", hint: EXACTLY },
  several: { said: "values of several types may come, and land as text", hint: EXACTLY },
  itself: { said: "a type that holds itself lands as the text of its JSON", hint: null },
  branches: {
    said: "one type holds the values of all branches; which of them a row keeps to is not kept, nor checked",
    hint: null,
  },
  absent: { said: "what is required is no property, and no column", hint: null },
  required: {
    said: "what is required in structs is kept, and not checked",
    hint: "an expectation of a model can check it",
  },
};

/** Keywords that are kept, and that no row is held to. */
export const UNCHECKED: ReadonlySet<string> = new Set([
  "enum",
  "const",
  "pattern",
  "minLength",
  "maxLength",
  "minimum",
  "maximum",
  "exclusiveMinimum",
  "exclusiveMaximum",
  "multipleOf",
  "minItems",
  "maxItems",
  "uniqueItems",
  "minProperties",
  "maxProperties",
  "dependentRequired",
]);

function sentence(word: string): Sentence {
  const known = Object.hasOwn(SENTENCES, word) ? SENTENCES[word] : undefined;
  if (known !== undefined) return known;
  return UNCHECKED.has(word)
    ? { said: `"${word}" is kept, and not checked`, hint: "an expectation of a model can check it" }
    : { said: `"${word}" is not kept, nor checked`, hint: null };
}
