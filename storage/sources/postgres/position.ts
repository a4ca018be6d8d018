/** How far a source is read, as the lake keeps it: where in the log of which server, and which tables how far. */

import { LakeError } from "../../../core/base/errors.ts";
import {
  isJsonObject,
  listField,
  numberField,
  objectField,
  parseJson,
  stringField,
  stringifyJson,
} from "../../../core/base/json.ts";
import { formatLsn, parseLsn } from "./lsn.ts";

/** A table whose rows that were there are read, or are not wanted. */
export interface KnownTable {
  readonly oid: number;
  /** What made it part of the publication: another one means that it was out of it meanwhile. */
  readonly member: string;
  /** Changes up to here are in the rows that were read. */
  readonly at: bigint;
}

/** A segment that is durable, but that no commit has named yet. */
export interface PendingSegment {
  readonly name: string;
  readonly sha256: string;
  readonly sizeBytes: number;
  /** Rows by `schema.table`. */
  readonly rows: Readonly<Record<string, number>>;
}

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
/** Of no membership: the table is read again, in place of what was read before. */
const NO_MEMBER = "";

/** A position from which a table is read again, or all of them with a new slot. Throws `not-found`. */
export function readAgain(position: Position, table: string | null): Position {
  const { tables } = position;
  if (table !== null && tables[table] === undefined) {
    throw new LakeError("not-found", `${table} is no table that was read`, {
      hint: `tables are ${Object.keys(tables).join(", ")}`,
    });
  }
  const marked = Object.entries(tables).map(([name, known]) => {
    const isMeant = table === null || name === table;
    return [name, isMeant ? { ...known, member: NO_MEMBER } : known] as const;
  });
  return { ...position, tables: Object.fromEntries(marked), isAnew: table === null };
}

/** Its place in the log comes first, for people; it is read from what follows. */
export function positionText(position: Position): string {
  const tables = Object.entries(position.tables).map(([name, { oid, member, at }]) => [
    name,
    { oid, member, at: formatLsn(at) },
  ]);
  const json = stringifyJson({
    version: VERSION,
    system: position.system,
    timeline: position.timeline,
    database: position.database,
    slot: position.slot,
    lsn: formatLsn(position.lsn),
    tables: Object.fromEntries(tables),
    pending: position.pending.map((segment) => ({ ...segment })),
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
  const tables = objectField(json, "tables");
  return {
    system: stringField(json, "system"),
    timeline: numberField(json, "timeline"),
    database: stringField(json, "database"),
    slot: stringField(json, "slot"),
    lsn: parseLsn(stringField(json, "lsn")),
    tables: Object.fromEntries(
      Object.keys(tables).map((name) => {
        const table = objectField(tables, name);
        const at = parseLsn(stringField(table, "at"));
        return [name, { oid: numberField(table, "oid"), member: stringField(table, "member"), at }];
      }),
    ),
    pending: listField(json, "pending").map((segment) => {
      const fields = isJsonObject(segment) ? segment : {};
      const rows = objectField(fields, "rows");
      return {
        name: stringField(fields, "name"),
        sha256: stringField(fields, "sha256"),
        sizeBytes: numberField(fields, "sizeBytes"),
        rows: Object.fromEntries(Object.keys(rows).map((name) => [name, numberField(rows, name)])),
      };
    }),
    isAnew: json.anew === true,
  };
}
