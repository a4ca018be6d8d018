/** How far a source is read, as the lake keeps it: which transactions, of which server, and which tables how far. */

import { LakeError } from "../../../core/base/errors.ts";
import {
  isJsonObject,
  listField,
  numberField,
  parseJson,
  stringField,
  stringifyJson,
} from "../../../core/base/json.ts";
import { pendingJson, readPending } from "../segment-queue.ts";
import { knownJson, markedToRead, readKnown } from "../table-states.ts";
import type { StreamPosition } from "../table-stream.ts";
import type { Flavor } from "./gtid.ts";
import { parsePlace, placeText } from "./place.ts";

/** Rows of a transaction that is prepared, and neither committed nor taken back. */
export interface PreparedRows {
  readonly xid: string;
  /** The segment that holds them, in the stream's folder; null for one without rows of these tables. */
  readonly sha256: string | null;
  readonly sizeBytes: number;
}

export interface Position extends StreamPosition {
  readonly flavor: Flavor;
  /** The server as it calls itself; another one may go on where it knows what was read. */
  readonly server: string;
  /** What was read, as the server writes it. */
  readonly gtids: string;
  readonly prepared: readonly PreparedRows[];
  /** What was missed is given up: all tables are read again, as of now. */
  readonly isAnew: boolean;
}

const VERSION = 1;

/** A position from which a table is read again, or all of them as of now. Throws `not-found`. */
export function readAgain(position: Position, table: string | null): Position {
  return { ...position, tables: markedToRead(position.tables, table), isAnew: table === null };
}

/** Its GTIDs come first, for people; it is read from what follows. */
export function positionText(position: Position): string {
  const json = stringifyJson({
    version: VERSION,
    flavor: position.flavor,
    server: position.server,
    gtids: position.gtids,
    place: placeText(position.lsn),
    tables: knownJson(position.tables, placeText),
    pending: pendingJson(position),
    ...(position.prepared.length === 0
      ? {}
      : { prepared: position.prepared.map((rows) => ({ ...rows })) }),
    ...(position.isAnew ? { anew: true } : {}),
  });
  return `${position.gtids.replaceAll(/\s/g, "") || "-"} ${json}`;
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
    flavor: stringField(json, "flavor") === "mysql" ? "mysql" : "mariadb",
    server: stringField(json, "server"),
    gtids: stringField(json, "gtids"),
    lsn: parsePlace(stringField(json, "place")),
    tables: readKnown(json, parsePlace),
    pending: readPending(json),
    prepared: listField(json, "prepared").map((entry) => {
      const rows = isJsonObject(entry) ? entry : {};
      const { sha256 } = rows;
      return {
        xid: stringField(rows, "xid"),
        sha256: typeof sha256 === "string" ? sha256 : null,
        sizeBytes: numberField(rows, "sizeBytes"),
      };
    }),
    isAnew: json.anew === true,
  };
}
