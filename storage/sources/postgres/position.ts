/** How far a source is read, as the lake keeps it: where in the log of which server, and which tables how far. */

import { LakeError } from "../../../core/base/errors.ts";
import {
  isJsonObject,
  numberField,
  parseJson,
  stringField,
  stringifyJson,
} from "../../../core/base/json.ts";
import { type PendingSegment, pendingJson, readPending } from "../segment-queue.ts";
import { type KnownTable, knownJson, markedToRead, readKnown } from "../table-states.ts";
import { formatLsn, parseLsn } from "./lsn.ts";

export interface Position {
  /** The server's own number of its cluster, which a copy of its files shares. */
  readonly system: string;
  readonly timeline: number;
  readonly database: string;
  readonly slot: string;
  /** The end of the last transaction. */
  readonly lsn: bigint;
  /** By `schema.table`. */
  readonly tables: Readonly<Record<string, KnownTable>>;
  /** To be landed before the source is read on, in order. */
  readonly pending: readonly PendingSegment[];
  /** What was missed is given up: a slot is made anew, and with it all tables are read again. */
  readonly isAnew: boolean;
}

const VERSION = 1;

/** A position from which a table is read again, or all of them with a new slot. Throws `not-found`. */
export function readAgain(position: Position, table: string | null): Position {
  return { ...position, tables: markedToRead(position.tables, table), isAnew: table === null };
}

/** Its place in the log comes first, for people; it is read from what follows. */
export function positionText(position: Position): string {
  const json = stringifyJson({
    version: VERSION,
    system: position.system,
    timeline: position.timeline,
    database: position.database,
    slot: position.slot,
    lsn: formatLsn(position.lsn),
    tables: knownJson(position.tables, formatLsn),
    pending: pendingJson(position),
    ...(position.isAnew ? { anew: true } : {}),
  });
  return `${formatLsn(position.lsn)} ${json}`;
}

/** Throws `corrupt`, and `unsupported` for one of a newer version. */
export function parsePosition(text: string): Position {
  const json = parseJson(text.slice(text.indexOf(" ") + 1));
  if (!isJsonObject(json)) throw new LakeError("corrupt", "the position of a source is no object");
  if (numberField(json, "version") !== VERSION) {
    throw new LakeError("unsupported", "the position of a source is of another version", {
      hint: "use the version that wrote it, or a newer one",
    });
  }
  return {
    system: stringField(json, "system"),
    timeline: numberField(json, "timeline"),
    database: stringField(json, "database"),
    slot: stringField(json, "slot"),
    lsn: parseLsn(stringField(json, "lsn")),
    tables: readKnown(json, parseLsn),
    pending: readPending(json),
    isAnew: json.anew === true,
  };
}
