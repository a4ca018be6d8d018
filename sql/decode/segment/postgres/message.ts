/** A message of logical replication that changes rows. PostgreSQL, "Logical Replication Message Formats". */

import type { FeedMessage, MessageOp } from "../dialect.ts";
import { Cells } from "./cells.ts";

/** A message taken apart; used again for the next one. */
export class Message implements FeedMessage {
  op: MessageOp = "c";
  bytes: Buffer = Buffer.alloc(0);
  /** The new row; of a delete nothing. */
  readonly after = new Cells();
  /** What was sent of the old row. */
  readonly before = new Cells();
  /** All of the old row was sent, or only what it is found by. */
  isWhole = false;
  hasBefore = false;

  /** Throws RangeError where the bytes are none. */
  read(bytes: Buffer, from: number, until: number): void {
    this.after.clear();
    this.before.clear();
    this.hasBefore = false;
    this.isWhole = false;
    this.bytes = bytes;
    const op = opOf(bytes[from] ?? 0);
    this.op = op;
    if (op === "t") return;
    if (op === "m") {
      this.after.readLogical(bytes, from + LOGICAL_HEAD_BYTES, until);
      return;
    }
    // Behind the type stands the oid of the table.
    let at = this.#old(bytes, from + 5, until);
    if (op === "d" ? !this.hasBefore : bytes[at] !== NEW) {
      throw new RangeError("a message without the row it is about");
    }
    if (op !== "d") at = this.after.readTuple(bytes, at + 1, until);
    if (at !== until) throw new RangeError(`${until - at} bytes behind the row of a message`);
  }

  #old(bytes: Buffer, at: number, until: number): number {
    const mark = bytes[at];
    if (mark !== OLD && mark !== KEY) return at;
    this.hasBefore = true;
    this.isWhole = mark === OLD;
    return this.before.readTuple(bytes, at + 1, until);
  }
}

/** Of a logical message: its type, whether it is part of its transaction, and its place in the log. */
const LOGICAL_HEAD_BYTES = 10;
const NEW = 0x4e;
const OLD = 0x4f;
const KEY = 0x4b;

function opOf(type: number): MessageOp {
  switch (type) {
    case 0x49:
      return "c";
    case 0x55:
      return "u";
    case 0x44:
      return "d";
    case 0x54:
      return "t";
    case 0x4d:
      return "m";
    default:
      throw new RangeError(`a message of type ${type}`);
  }
}
