/** What reading a model needs besides its file. */

import type { ParseContext } from "../../core/model/parse.ts";
import { canonicalSql, commentsOf } from "../../sql/syntax/lexer.ts";
import { macroCallsOf } from "../../sql/syntax/macros.ts";
import { parametersOf } from "../../sql/syntax/parameters.ts";
import { quoteIdentifier, quoteLiteral } from "../../sql/syntax/quote.ts";

/**
 * How SQL is quoted, cut and brought to one form, versions hashed. The runtime's own SHA-256: plain code costs a start
 * a millisecond for each model.
 */
export const MODEL_TOOLS: Pick<
  ParseContext,
  "quote" | "canonicalSql" | "commentsOf" | "parametersOf" | "callsOf" | "sha256"
> = {
  quote: { identifier: quoteIdentifier, literal: quoteLiteral },
  canonicalSql,
  commentsOf,
  parametersOf,
  callsOf: macroCallsOf,
  sha256: (text) => new Bun.CryptoHasher("sha256").update(text).digest("hex"),
};
