/**
 * Events of a binary log: their heads, check sums, and what those say that are about no row. MySQL, "Binary Log Event";
 * MariaDB, "Replication Protocol", "Binlog Events".
 */

import { crc32 } from "node:zlib";
import { LakeError } from "../../../core/base/errors.ts";
import { u32At } from "../../../core/ingest/binlog-row.ts";
import {
  EVENT_HEAD_BYTES,
  type Inflate,
  ROWS_EVENT,
  TABLE_NUMBER_BYTES,
  uncompressed,
} from "../../../core/ingest/binlog-rows.ts";
import { Fields } from "./packets.ts";

/** Types of events by their number. */
export const EVENT = {
  ...ROWS_EVENT,
  query: 2,
  stop: 3,
  rotate: 4,
  intvar: 5,
  executeLoad: 18,
  rand: 13,
  userVar: 14,
  format: 15,
  xid: 16,
  beginLoad: 17,
  tableMap: 19,
  incident: 26,
  heartbeat: 27,
  rowsQuery: 29,
  gtid: 33,
  anonymousGtid: 34,
  previousGtids: 35,
  xaPrepare: 38,
  partialUpdate: 39,
  transactionPayload: 40,
  heartbeatV2: 41,
  taggedGtid: 42,
  mariaAnnotate: 160,
  mariaCheckpoint: 161,
  mariaGtid: 162,
  mariaGtidList: 163,
  mariaEncryption: 164,
  mariaQueryCompressed: 165,
} as const;

/** Flags of an event's head. */
export const HEAD_FLAG = { artificial: 0x20, ignorable: 0x80 } as const;

const CHECKSUM_BYTES = 4;
const CHECKSUM_CRC32 = 1;

/** The head of one event; used again for the next one. */
export class EventHead {
  bytes: Buffer = Buffer.alloc(0);
  type = 0;
  /** Seconds since 1970. */
  seconds = 0;
  serverId = 0;
  /** Where it ends in the file, without what is beyond 32 bits; 0 where it stands in none. */
  logEnd = 0;
  flags = 0;
  /** Its body: what is behind the head, without the check sum. */
  start = 0;
  end = 0;
  /** Its check sum; null where the log has none. */
  sum: number | null = null;
  /** Head and body. */
  whole: Uint8Array = this.bytes;

  read(bytes: Buffer, at: number, end: number, hasChecksum: boolean): void {
    if (end - at < EVENT_HEAD_BYTES) throw damaged("an event is shorter than its head");
    this.bytes = bytes;
    this.seconds = u32At(bytes, at);
    this.type = bytes[at + 4] ?? 0;
    this.serverId = u32At(bytes, at + 5);
    this.logEnd = u32At(bytes, at + 13);
    this.flags = (bytes[at + 17] ?? 0) | ((bytes[at + 18] ?? 0) << 8);
    this.start = at + EVENT_HEAD_BYTES;
    this.end = hasChecksum ? end - CHECKSUM_BYTES : end;
    this.whole = bytes.subarray(at, this.end);
    this.sum = hasChecksum ? crc32(this.whole) : null;
    if (u32At(bytes, at + 9) !== end - at) throw damaged("an event is not as long as it says");
    if (this.sum !== null && this.sum !== u32At(bytes, this.end)) {
      throw damaged(`the check sum of an event of type ${this.type} is wrong`);
    }
  }

  get fields(): Fields {
    return new Fields(this.bytes, this.start, this.end);
  }
}

/** Of the lengths of what stands in front of a table map: its table's number and flags. */
const MAP_HEAD_BYTES = TABLE_NUMBER_BYTES + 2;

/** Reads a format description: true where events have check sums. Its own is there wherever the server has any. */
export function readFormat(bytes: Uint8Array, start: number, end: number): boolean {
  const fields = new Fields(bytes, start, end);
  fields.skip(2 + 50 + 4);
  if (fields.uint(1) !== EVENT_HEAD_BYTES) throw damaged("events have heads of another length");
  const lengths = fields.rest();
  if (lengths[EVENT.tableMap - 1] !== MAP_HEAD_BYTES) {
    throw damaged("tables have numbers of another length");
  }
  return lengths[lengths.length - CHECKSUM_BYTES - 1] === CHECKSUM_CRC32;
}

/** A statement, or what stands for the beginning and end of a transaction. */
export interface QueryEvent {
  readonly database: string;
  readonly sql: string;
}

const QUERY_HEAD_BYTES = 13;

export function readQuery(head: EventHead, inflate: Inflate<Uint8Array>): QueryEvent {
  const fields = head.fields;
  fields.skip(8);
  const databaseBytes = fields.uint(1);
  fields.skip(2);
  const statusBytes = fields.uint(2);
  fields.skip(statusBytes);
  const decoder = new TextDecoder();
  const database = decoder.decode(fields.take(databaseBytes));
  fields.skip(1);
  const isCompressed = head.type === EVENT.mariaQueryCompressed;
  const text = isCompressed
    ? uncompressed(fields.bytes, fields.at, fields.end, inflate)
    : fields.rest();
  return { database, sql: decoder.decode(text) };
}

/** The bytes of a statement that reads a file, as `readQuery` has them. */
export function readExecuteLoad(head: EventHead): QueryEvent {
  const fields = head.fields;
  fields.skip(8);
  const databaseBytes = fields.uint(1);
  fields.skip(2);
  const statusBytes = fields.uint(2);
  fields.skip(QUERY_HEAD_BYTES + statusBytes);
  const decoder = new TextDecoder();
  const database = decoder.decode(fields.take(databaseBytes));
  fields.skip(1);
  return { database, sql: decoder.decode(fields.rest()) };
}

/** The beginning of a group of events. */
export interface GroupHead {
  readonly gtid: string;
  /** It is one statement without an end of its own. */
  readonly isStandalone: boolean;
  readonly isDdl: boolean;
  /** Its rows are prepared, under this name, and not committed. */
  readonly prepares: string | null;
  /** It says what becomes of rows that were prepared. */
  readonly completes: string | null;
  /** Of a statement that is logged twice: the first time, when it begins. */
  readonly isAlterBegun: boolean;
  /** Of the same: that it came to nothing. */
  readonly isAlterTakenBack: boolean;
  /** Microseconds since 1970; null where only seconds are known. */
  readonly committedUs: number | null;
}

/** Flags of MariaDB's beginning of a group. */
const MARIA = {
  standalone: 1,
  groupCommit: 2,
  ddl: 32,
  preparedXa: 64,
  completedXa: 128,
} as const;
const MARIA_MORE = { engines: 1, startAlter: 2, commitAlter: 4, rollbackAlter: 8 } as const;
const MARIA_HEAD_BYTES = 19;

export function readMariaGtid(head: EventHead): GroupHead {
  const fields = head.fields;
  const sequence = fields.u64Text();
  const domain = fields.uint(4);
  const flags = fields.uint(1);
  const from = fields.at;
  if ((flags & MARIA.groupCommit) !== 0) fields.skip(8);
  const isXa = (flags & (MARIA.preparedXa | MARIA.completedXa)) !== 0;
  const xid = isXa ? readXid(fields, 1) : null;
  // Without more it is filled up to its usual length with zeros.
  const isPadded =
    fields.at - from + 13 < MARIA_HEAD_BYTES && head.end - head.start <= MARIA_HEAD_BYTES;
  const more = isPadded || fields.left === 0 ? 0 : fields.uint(1);
  return {
    gtid: `${domain}-${head.serverId}-${sequence}`,
    isStandalone: (flags & MARIA.standalone) !== 0,
    isDdl: (flags & MARIA.ddl) !== 0,
    prepares: (flags & MARIA.preparedXa) !== 0 ? xid : null,
    completes: (flags & MARIA.completedXa) !== 0 ? xid : null,
    isAlterBegun: (more & MARIA_MORE.startAlter) !== 0,
    isAlterTakenBack: (more & MARIA_MORE.rollbackAlter) !== 0,
    committedUs: null,
  };
}

/** A list of the last transactions before a file. */
export function readGtidList(head: EventHead): readonly string[] {
  const fields = head.fields;
  const count = fields.uint(4) % 2 ** 28;
  return Array.from({ length: count }, () => {
    const domain = fields.uint(4);
    const server = fields.uint(4);
    return `${domain}-${server}-${fields.u64()}`;
  });
}

const UUID_BYTES = 16;
const LOGICAL_CLOCK = 2;
const HIGH_BIT_7 = 1n << 55n;

export function readMysqlGtid(head: EventHead): GroupHead {
  const fields = head.fields;
  fields.skip(1);
  const hex = Buffer.from(fields.take(UUID_BYTES)).toString("hex");
  const uuid = hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");
  const number = fields.u64();
  let committedUs: number | null = null;
  if (fields.left >= 24 && fields.uint(1) === LOGICAL_CLOCK) {
    fields.skip(16);
    const micros = BigInt(fields.uint(6)) | (BigInt(fields.uint(1)) << 48n);
    committedUs = Number(micros & (HIGH_BIT_7 - 1n));
  }
  return {
    gtid: `${uuid}:${number}`,
    isStandalone: false,
    isDdl: false,
    prepares: null,
    completes: null,
    isAlterBegun: false,
    isAlterTakenBack: false,
    committedUs,
  };
}

/** The name of a prepared transaction, as `XA RECOVER FORMAT='SQL'` writes it. */
export function readXid(fields: Fields, lengthBytes: number): string {
  const format = fields.uint(4);
  const own = fields.uint(lengthBytes);
  const branch = fields.uint(lengthBytes);
  const hex = (count: number) => Buffer.from(fields.take(count)).toString("hex");
  return `X'${hex(own)}',X'${hex(branch)}',${format}`;
}

export function damaged(what: string): LakeError {
  return new LakeError("io", `what the server sent is damaged: ${what}`, {
    hint: "it is read again; where it stays so, the server's log is damaged: mariadb-binlog --verify-binlog-checksum",
    scope: "source",
  });
}
