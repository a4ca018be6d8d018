/** Heads of the messages that the plugin pgoutput sends. PostgreSQL, "Logical Replication Message Formats". */

import { LakeError } from "../../../core/base/errors.ts";

/** Types of messages by their byte. */
export const PGOUTPUT = {
  begin: 0x42,
  commit: 0x43,
  origin: 0x4f,
  relation: 0x52,
  type: 0x59,
  insert: 0x49,
  update: 0x55,
  delete: 0x44,
  truncate: 0x54,
  message: 0x4d,
  streamStart: 0x53,
  streamStop: 0x45,
  streamCommit: 0x63,
  streamAbort: 0x41,
  beginPrepare: 0x62,
  prepare: 0x50,
  commitPrepared: 0x4b,
  rollbackPrepared: 0x72,
  streamPrepare: 0x70,
} as const;

export interface Commit {
  /** Where the record of the commit ends: what is acknowledged, and where one goes on. */
  readonly endLsn: bigint;
  /** Microseconds since 2000. */
  readonly serverUs: bigint;
}

export interface RelationColumn {
  readonly name: string;
  readonly typeOid: number;
  readonly typmod: number;
  readonly key: boolean;
}

export interface Relation {
  readonly oid: number;
  readonly schema: string;
  readonly table: string;
  readonly identity: "default" | "full" | "index" | "nothing";
  readonly columns: readonly RelationColumn[];
}

export interface LogicalMessage {
  readonly transactional: boolean;
  readonly lsn: bigint;
  readonly prefix: string;
}

const IDENTITIES: Readonly<Record<string, Relation["identity"]>> = {
  d: "default",
  f: "full",
  i: "index",
  n: "nothing",
};

interface Viewed {
  readonly bytes: Uint8Array;
  readonly view: DataView;
}

/** What fields were read of last: thousands of messages stand in what comes at once. */
let viewed: Viewed = { bytes: new Uint8Array(), view: new DataView(new ArrayBuffer(0)) };

function viewOf(bytes: Uint8Array): DataView {
  if (bytes !== viewed.bytes) {
    viewed = { bytes, view: new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength) };
  }
  return viewed.view;
}

/** Reads the fields of one message in turn. */
export class MessageFields {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  #at: number;
  readonly #end: number;

  constructor(bytes: Uint8Array, start: number, end: number) {
    this.#bytes = bytes;
    this.#view = viewOf(bytes);
    this.#at = start;
    this.#end = end;
  }

  get left(): number {
    return this.#end - this.#at;
  }

  skip(byteCount: number): void {
    this.#step(byteCount);
  }

  u8(): number {
    return this.#view.getUint8(this.#step(1));
  }

  u16(): number {
    return this.#view.getUint16(this.#step(2));
  }

  u32(): number {
    return this.#view.getUint32(this.#step(4));
  }

  i32(): number {
    return this.#view.getInt32(this.#step(4));
  }

  u64(): bigint {
    return this.#view.getBigUint64(this.#step(8));
  }

  i64(): bigint {
    return this.#view.getBigInt64(this.#step(8));
  }

  text(): string {
    const end = this.#bytes.indexOf(0, this.#at);
    if (end === -1 || end >= this.#end) throw cut();
    const text = new TextDecoder().decode(this.#bytes.subarray(this.#at, end));
    this.#at = end + 1;
    return text;
  }

  #step(byteCount: number): number {
    const at = this.#at;
    this.#at += byteCount;
    if (this.#at > this.#end) throw cut();
    return at;
  }
}

/** Of `begin`: when it was committed, and its number. */
export function readBegin(fields: MessageFields): { serverUs: bigint; xid: number } {
  fields.skip(8);
  return { serverUs: fields.i64(), xid: fields.u32() };
}

/** Of `commit`, and of `streamCommit` behind its transaction's number. */
export function readCommit(fields: MessageFields): Commit {
  fields.skip(9);
  return { endLsn: fields.u64(), serverUs: fields.i64() };
}

/** Of `relation`, behind the transaction's number where there is one. The system's schema is sent as an empty name. */
export function readRelation(fields: MessageFields): Relation {
  const oid = fields.u32();
  const schema = fields.text();
  const table = fields.text();
  const letter = String.fromCharCode(fields.u8());
  const identity = IDENTITIES[letter];
  if (identity === undefined) throw unknown(`replica identity ${letter}`);
  const columns: RelationColumn[] = [];
  for (let left = fields.u16(); left > 0; left--) {
    const key = (fields.u8() & 1) === 1;
    columns.push({ key, name: fields.text(), typeOid: fields.u32(), typmod: fields.i32() });
  }
  return { oid, schema: schema === "" ? "pg_catalog" : schema, table, identity, columns };
}

/** Tables of `truncate`, by oid. */
export function readTruncate(fields: MessageFields): readonly number[] {
  const count = fields.u32();
  fields.u8();
  return Array.from({ length: count }, () => fields.u32());
}

/** Of `message`, behind the transaction's number where there is one. */
export function readLogicalMessage(fields: MessageFields): LogicalMessage {
  return { transactional: (fields.u8() & 1) === 1, lsn: fields.u64(), prefix: fields.text() };
}

/** The number of a relation or a transaction at a place; big-endian. */
export function numberAt(bytes: Uint8Array, at: number): number {
  const high = ((bytes[at] ?? 0) << 24) | ((bytes[at + 1] ?? 0) << 16);
  return (high | ((bytes[at + 2] ?? 0) << 8) | (bytes[at + 3] ?? 0)) >>> 0;
}

/** A message that this reader does not know: another version of the protocol, or not the plugin at all. */
export function unknown(what: string): LakeError {
  return new LakeError("unsupported", `the server sent what is not known here: ${what}`, {
    hint: "look for a newer version, and report it with the version of the server",
    scope: "source",
  });
}

function cut(): LakeError {
  return new LakeError("io", "a message of the server is shorter than it says", {
    scope: "source",
  });
}
