/** Decides the lines of one file that are to be looked at: they land, corrected or as they are, or are set aside. */

import { isUtf8 } from "node:buffer";
import { firstMisfit } from "../first-misfit.ts";
import type { Fixes } from "../fixes.ts";
import type { Prepared } from "../prepared.ts";
import { escapedText, type Place, positionOf, type Reject, type Rejects } from "../rejects.ts";
import type { RowDecider, RowDecision } from "./rows.ts";

const NOT_UTF8: RowDecision = {
  kind: "reject",
  reason: "encoding",
  column: null,
  message: "the line holds bytes that are not UTF-8",
  value: null,
  isFirst: false,
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
  #fixes: Fixes;
  readonly #placed: ReadonlyMap<string, string | null>;

  constructor(prepared: Prepared, decider: RowDecider, rejects: Rejects, fixes: Fixes) {
    this.#prepared = prepared;
    this.#decider = decider;
    this.#rejects = rejects;
    this.#fixes = fixes;
    this.#placed = fixes.placed(prepared.file);
  }

  /** Whether a line is to be decided though it may be right as it stands. */
  isCorrected(lineNumber: number, rowNumber: number): boolean {
    return (
      this.#placed.size > 0 && this.#placed.has(positionOf(this.#place(lineNumber, rowNumber)))
    );
  }

  /** The line that lands in place of this one, in which every number is a text; null when none does. */
  decide(bytes: Uint8Array, lineNumber: number, rowNumber: number): string | null {
    this.taken++;
    const { line, row } = this.#place(lineNumber, rowNumber);
    const fix = this.#fixes.of(this.#prepared.file, { line, row });
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

  #place(lineNumber: number, rowNumber: number): Place {
    const { positions, linesBefore, rowsBefore } = this.#prepared;
    const line = positions === "line" ? lineNumber + linesBefore : null;
    return { line, row: rowNumber + rowsBefore };
  }
}
