/** The statement of a correction, cut into what it sets and where: `SET a = …, b = … WHERE …` or `DELETE WHERE …`. */

import { Clauses } from "./clauses.ts";
import { isSymbol, nameOf, type Token } from "./lexer.ts";

export interface CorrectionText {
  /** Null: the rows are taken out. */
  readonly sets: readonly { readonly column: string; readonly sql: string }[] | null;
  readonly where: string | null;
}

/** What is wrong with it, and from which character on. */
export interface NoCorrection {
  readonly wrong: string;
  readonly offset: number;
}

/** Reads it; a `;` may end it. */
export function correctionText(sql: string): CorrectionText | NoCorrection {
  const clauses = new Clauses(sql.replace(/;\s*$/, ""));
  const wrong = (text: string): NoCorrection => ({ wrong: text, offset: clauses.offset });
  if (clauses.take("delete")) {
    if (!clauses.take("where")) return wrong("DELETE says which rows: DELETE WHERE …");
    const where = clauses.until();
    return where === "" ? wrong("there is no condition behind WHERE") : { sets: null, where };
  }
  if (!clauses.take("set")) {
    return wrong("a correction begins with SET column = … or with DELETE WHERE …");
  }
  const start = clauses.at;
  clauses.until(["where"]);
  const sets: { column: string; sql: string }[] = [];
  for (const part of clauses.parts(start, clauses.at)) {
    const one = new Clauses(part);
    const [name, equals] = one.tokens;
    if (!isName(name) || !isSymbol(equals, "=")) {
      return {
        wrong: `"${part.trim()}" sets no column: column = value`,
        offset: clauses.tokens[start]?.start ?? 0,
      };
    }
    one.at = 2;
    const value = one.until();
    const column = nameOf(name);
    if (value === "") return wrong(`there is no value for ${column}`);
    if (sets.some((set) => set.column.toLowerCase() === column.toLowerCase())) {
      return wrong(`${column} is set twice`);
    }
    sets.push({ column, sql: value });
  }
  if (sets.length === 0) return wrong("there is no column behind SET");
  if (!clauses.take("where")) return { sets, where: null };
  const where = clauses.until();
  return where === "" ? wrong("there is no condition behind WHERE") : { sets, where };
}

function isName(token: Token | undefined): token is Token {
  return token?.kind === "word" || token?.kind === "quoted";
}
