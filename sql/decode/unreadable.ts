/** A file that cannot be read as a whole: it goes to quarantine, and the others go on. */

import type { QuarantineReason } from "../../core/ingest/quarantine.ts";

export class Unreadable extends Error {
  readonly reason: QuarantineReason;

  constructor(reason: "unreadable" | "limit", message: string) {
    super(message);
    this.name = "Unreadable";
    this.reason = reason;
  }
}
