/** The values of a text of change events, each with what it tells. */

import { isUtf8 } from "node:buffer";
import { JsonFault, type JsonNode, parseExact } from "../json/parse.ts";
import { LineCursor } from "../line-cursor.ts";
import type { RowFault } from "../made/row-source.ts";
import type { Prepared } from "../prepared.ts";
import { escapedText } from "../rejects.ts";
import { type Change, type Envelope, EnvelopeFault } from "./change.ts";

export interface Event {
  /** Of the drop, where values stand one a line; null: they do not. */
  readonly line: number | null;
  readonly text: string;
  /** In words what it is where it changes no row, or what is wrong with it. */
  readonly told: readonly Change[] | string | RowFault;
}

/** All of a file, from its beginning each time. */
export type Events = () => Iterable<Event>;

/** The lines that hold anything, in their order. */
export function* eventsOf(prepared: Prepared, envelope: Envelope): Generator<Event> {
  const cursor = new LineCursor(prepared.path);
  const isLines = prepared.positions === "line";
  try {
    while (cursor.next()) {
      const bytes = cursor.line();
      const line = isLines ? cursor.number + prepared.linesBefore : null;
      if (!isUtf8(bytes)) {
        const message = "the event holds bytes that are not UTF-8";
        const told = { reason: "encoding", column: null, message } as const;
        yield { line, text: escapedText(bytes), told };
        continue;
      }
      const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString();
      yield { line, text, told: tellEvent(text, envelope) };
    }
  } finally {
    cursor.close();
  }
}

/** What one text tells. */
export function tellEvent(text: string, envelope: Envelope): Event["told"] {
  return faulty(() => envelope(parsed(text)));
}

export function isChanges(told: Event["told"]): told is readonly Change[] {
  return Array.isArray(told);
}

/** What was made, or what is wrong with what it is made of. */
export function faulty<T>(make: () => T): T | RowFault {
  try {
    return make();
  } catch (thrown) {
    if (thrown instanceof JsonFault) return parseFault(thrown.message, null);
    if (!(thrown instanceof EnvelopeFault)) throw thrown;
    return parseFault(thrown.message, thrown.column);
  }
}

function parsed(text: string): JsonNode {
  const node = parseExact(text);
  if (node.kind === "object" && node.repeated !== null) {
    throw new EnvelopeFault(`${node.repeated} stands twice`);
  }
  return node;
}

function parseFault(message: string, column: string | null): RowFault {
  return { reason: "parse", column, message };
}
