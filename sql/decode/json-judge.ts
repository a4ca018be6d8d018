/** Decides the lines of one file that are to be looked at: they land, corrected or as they are, or are set aside. */

import { isUtf8 } from "node:buffer";
import { firstMisfit } from "./first-misfit.ts";
import type { RowDecider, RowDecision } from "./json-rows.ts";
import type { Prepared } from "./prepare.ts";
import { escapedText, positionOf, type Reject, type Rejects, rejectId } from "./rejects.ts";

const NOT_UTF8: RowDecision = {
  kind: "reject",
  reason: "encoding",
  column: null,
  message: "the line holds bytes that are not UTF-8",
  value: null,
};

export class LineJudge {
  /** Lines that were decided at all, and of them those that land and those set aside; a fix may drop one. */
  taken = 0;
  decided = 0;
  rejected = 0;
  /** Names that the caller wants to learn first, each with its first value. */
  readonly reported = new Map<string, string>();
  #prepared: Prepared;
  #decider: RowDecider;
  #rejects: Rejects;
  #fixes: ReadonlyMap<string, string | null>;

  constructor(
    prepared: Prepared,
    decider: RowDecider,
    rejects: Rejects,
    fixes: ReadonlyMap<string, string | null>,
  ) {
    this.#prepared = prepared;
    this.#decider = decider;
    this.#rejects = rejects;
    this.#fixes = fixes;
  }

  /** The line that lands in place of this one, in which every number is a text; null when none does. */
  decide(bytes: Uint8Array, lineNumber: number, rowNumber: number): string | null {
    this.taken++;
    const { positions, linesBefore, rowsBefore } = this.#prepared;
    const row = rowNumber + rowsBefore;
    const line = positions === "line" ? lineNumber + linesBefore : null;
    const fix = this.#fixes.get(rejectId(this.#prepared.file.sha256, positionOf({ line, row })));
    if (fix === null) return null;
    const isText = isUtf8(bytes);
    const text = fix ?? (isText ? Buffer.from(bytes).toString() : "");
    const decision: RowDecision =
      fix === undefined && !isText ? NOT_UTF8 : this.#decider.decide(text);
    switch (decision.kind) {
      case "land":
        this.decided++;
        return decision.line;
      case "report":
        for (const [name, value] of decision.values) {
          if (!this.reported.has(name)) this.reported.set(name, firstMisfit(value, { line, row }));
        }
        return null;
      case "reject": {
        this.rejected++;
        const { reason, column, message } = decision;
        const raw = fix ?? escapedText(bytes);
        const rejected: Reject = { line, row, column, reason, message, raw };
        this.#rejects.add(this.#prepared, rejected);
        return null;
      }
    }
  }
}
