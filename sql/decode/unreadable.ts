/** A file that cannot be read as a whole: it goes to quarantine, and the others go on. */

import { errorText } from "../../core/base/errors.ts";
import type { FileFault } from "../../core/engine.ts";

export class Unreadable extends Error {
  readonly reason: FileFault["reason"];

  constructor(reason: FileFault["reason"], message: string) {
    super(message);
    this.name = "Unreadable";
    this.reason = reason;
  }
}

/** What a file's error says about the file; whether it is the file's is the caller's to know. */
export function faultOf(thrown: unknown): FileFault {
  const reason = thrown instanceof Unreadable ? thrown.reason : "unreadable";
  return { reason, message: errorText(thrown) };
}
