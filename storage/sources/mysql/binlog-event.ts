/**
 * Events of a binary log: their heads, check sums, and what those say that are about no row. MySQL, "Binary Log Event";
 * MariaDB, "Replication Protocol", "Binlog Events".
 */

import { crc32 } from "node:zlib";
import { LakeError } from "../../../core/base/errors.ts";
import { uintAt } from "../../../core/ingest/binlog-row.ts";
import { Fields } from "./packets.ts";

/** Types of events by their number. */
export const EVENT = {
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
  writeV1: 23,
  updateV1: 24,
  deleteV1: 25,
  incident: 26,
  heartbeat: 27,
  rowsQuery: 29,
  writeV2: 30,
  updateV2: 31,
  deleteV2: 32,
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
  mariaWriteCompressed: 166,
  mariaUpdateCompressed: 167,
  mariaDeleteCompressed: 168,
} as const;

/** Flags of an event's head. */
export const HEAD_FLAG = { artificial: 0x20, ignorable: 0x80 } as const;

export const HEAD_BYTES = 19;
const CHECKSUM_BYTES = 4;
const CHECKSUM_CRC32 = 1;

/** The head of one event; used again for the next one. */
export class EventHead {
  bytes: Uint8Array = new Uint8Array();
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

  read(bytes: Uint8Array, at: number, end: number, hasChecksum: boolean): void {
    if (end - at < HEAD_BYTES) throw damaged("an event is shorter than its head");
    this.bytes = bytes;
    this.seconds = uintAt(bytes, at, 4);
    this.type = bytes[at + 4] ?? 0;
    this.serverId = uintAt(bytes, at + 5, 4);
    this.logEnd = uintAt(bytes, at + 13, 4);
    this.flags = uintAt(bytes, at + 17, 2);
    this.start = at + HEAD_BYTES;
    this.end = end;
    if (uintAt(bytes, at + 9, 4) !== end - at) {
      throw damaged("an event is not as long as it says");
    }
    if (hasChecksum) this.#check(at);
  }

  get fields(): Fields {
    return new Fields(this.bytes, this.start, this.end);
  }

  #check(at: number): void {
    this.end -= CHECKSUM_BYTES;
    const sum = crc32(this.bytes.subarray(at, this.end));
    if (sum !== uintAt(this.bytes, this.end, CHECKSUM_BYTES)) {
      throw damaged(`the check sum of an event of type ${this.type} is wrong`);
    }
  }
}

/** What the events of a file look like. */
export interface Format {
  readonly hasChecksum: boolean;
  /** Bytes in front of a table map's names and of rows: 6 or 8. */
  readonly tableHeadBytes: number;
}

/** Reads a format description, whose own check sum is there wherever the server has any. */
export function readFormat(bytes: Uint8Array, start: number, end: number): Format {
  const fields = new Fields(bytes, start, end);
  fields.skip(2 + 50 + 4);
  if (fields.uint(1) !== HEAD_BYTES) throw damaged("events have heads of another length");
  const lengths = fields.rest();
  const sumKind = lengths[lengths.length - CHECKSUM_BYTES - 1];
  const mapHead = lengths[EVENT.tableMap - 1] ?? 8;
  return { hasChecksum: sumKind === CHECKSUM_CRC32, tableHeadBytes: mapHead };
}

/** A statement, or what stands for the beginning and end of a transaction. */
export interface QueryEvent {
  readonly database: string;
  readonly sql: string;
}

const QUERY_HEAD_BYTES = 13;

export function readQuery(head: EventHead, inflate: (bytes: Uint8Array) => Uint8Array): QueryEvent {
  const fields = head.fields;
  fields.skip(8);
  const databaseBytes = fields.uint(1);
  fields.skip(2);
  const statusBytes = fields.uint(2);
  fields.skip(statusBytes);
  const decoder = new TextDecoder();
  const database = decoder.decode(fields.take(databaseBytes));
  fields.skip(1);
  const rest = fields.rest();
  const text = head.type === EVENT.mariaQueryCompressed ? inflate(rest) : rest;
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
  readonly committedUs: bigint | null;
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
  const sequence = fields.u64();
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
  let committedUs: bigint | null = null;
  if (fields.left >= 24 && fields.uint(1) === LOGICAL_CLOCK) {
    fields.skip(16);
    const micros = BigInt(fields.uint(6)) | (BigInt(fields.uint(1)) << 48n);
    committedUs = micros & (HIGH_BIT_7 - 1n);
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
