/** The connection that a binary log is read by: told where from, kept alive, closed when it stands still. */

import { LakeError } from "../../../core/base/errors.ts";
import type { Clock } from "../../../core/ports.ts";
import { Connection, quoteText, type Target } from "./connection.ts";
import { type ServerError, sourceError } from "./failure.ts";
import { type Flavor, IntervalSet } from "./gtid.ts";
import { PACKET, type PacketSocket } from "./packets.ts";

export interface DumpOptions {
  readonly target: Target;
  readonly clock: Clock;
  readonly flavor: Flavor;
  readonly serverId: number;
  /** What was read, as the server writes it. */
  readonly gtids: string;
}

/** Who takes what the server sends. */
export interface DumpListener {
  /** One event: a promise where the next one has to wait. */
  event(bytes: Buffer, start: number, end: number): Promise<void> | null;
  /** Nothing more is taken for now. */
  isFull(): boolean;
}

const DUMP = 0x12;
const DUMP_GTID = 0x1e;
const FILE_BEGIN = 4;
/** How often the server says that nothing came; where its log ends is known by that. */
const HEARTBEAT_NS = 250_000_000;
/** How long a connection may stand still with the server's bytes in it. */
const PAUSED_MS_MAX = 30_000;
/** A connection that says nothing for so long is gone. */
const SILENT_MS_MAX = 30_000;
/** What a reader is that knows GTIDs. MariaDB, "Replication Protocol". */
const KNOWS_GTIDS = 4;
const UUID_BYTES = 16;
const DOING = "read the binary log";

export class DumpReader {
  readonly #packets: PacketSocket;
  readonly #target: Target;
  readonly #clock: Clock;
  #heardMs: number;
  #isStalled = false;

  private constructor(connection: Connection, clock: Clock) {
    this.#packets = connection.packets;
    this.#target = connection.target;
    this.#clock = clock;
    this.#heardMs = clock.nowMs();
  }

  /** Begins to read behind what was read. Throws LakeError. */
  static async open(options: DumpOptions): Promise<DumpReader> {
    const { target, clock, flavor, serverId, gtids } = options;
    const connection = await Connection.open(target, () => clock.nowMs());
    try {
      const settings = [
        `@master_heartbeat_period = ${HEARTBEAT_NS}`,
        "@master_binlog_checksum = @@global.binlog_checksum",
        "@source_binlog_checksum = @@global.binlog_checksum",
        ...(flavor === "mariadb"
          ? [
              `@mariadb_slave_capability = ${KNOWS_GTIDS}`,
              `@slave_connect_state = ${quoteText(gtids)}`,
              "@slave_gtid_strict_mode = 1",
              "@slave_gtid_ignore_duplicates = 0",
            ]
          : []),
      ];
      await connection.rows(`SET ${settings.join(", ")}`, DOING);
      if (flavor === "mariadb") connection.packets.command(DUMP, dump(serverId));
      else connection.packets.command(DUMP_GTID, dumpGtid(serverId, IntervalSet.of(gtids)));
      return new DumpReader(connection, clock);
    } catch (thrown) {
      connection.destroy();
      throw thrown;
    }
  }

  /** True when it was closed because nothing was taken for long: it may be opened again. */
  get isStalled(): boolean {
    return this.#isStalled;
  }

  /** Takes the events that are there; false when there were none. Throws what the server or the network says. */
  async receive(listener: DumpListener): Promise<boolean> {
    const packets = this.#packets;
    let isAny = false;
    while (!listener.isFull() && packets.next()) {
      isAny = true;
      const { bytes, start, end } = packets;
      const first = bytes[start];
      if (first === PACKET.error) throw this.#reported(packets.reported());
      if (first === PACKET.eof) {
        const message = "the server ended the stream: it is shutting down";
        throw new LakeError("io", message, { scope: "source" });
      }
      const wait = listener.event(bytes, start + 1, end);
      if (wait !== null) await wait;
    }
    if (isAny) this.#heardMs = this.#clock.nowMs();
    if (!isAny && packets.isOver && !this.#isStalled) {
      throw sourceError(packets.lost(), DOING, this.#target);
    }
    return isAny;
  }

  /** Resolves when there is more, or the connection is over. */
  more(): Promise<void> {
    return this.#packets.more();
  }

  /** Closes a connection that stood still for too long, and ends one that says nothing any more. */
  look(isFull: boolean): void {
    const nowMs = this.#clock.nowMs();
    if (isFull) this.#heardMs = nowMs;
    const sinceMs = this.#packets.pausedSinceMs;
    if (sinceMs !== null) {
      if (nowMs - sinceMs < PAUSED_MS_MAX) return;
      this.#isStalled = true;
      this.#packets.destroy();
    } else if (nowMs - this.#heardMs > SILENT_MS_MAX) this.#packets.destroy();
  }

  close(): void {
    this.#packets.destroy();
  }

  #reported(thrown: ServerError): unknown {
    return sourceError(thrown, DOING, this.#target);
  }
}

function dump(serverId: number): Uint8Array {
  const bytes = new DataView(new ArrayBuffer(10));
  bytes.setUint32(0, FILE_BEGIN, true);
  bytes.setUint32(6, serverId, true);
  return new Uint8Array(bytes.buffer);
}

/** MySQL, "COM_BINLOG_DUMP_GTID". */
function dumpGtid(serverId: number, gtids: IntervalSet): Uint8Array {
  const parts: Buffer[] = [];
  const u64 = (value: bigint): Buffer => {
    const bytes = Buffer.alloc(8);
    bytes.writeBigUInt64LE(value);
    return bytes;
  };
  parts.push(u64(BigInt(gtids.sources.length)));
  for (const [source, intervals] of gtids.sources) {
    parts.push(Buffer.from(source.replaceAll("-", ""), "hex").subarray(0, UUID_BYTES));
    parts.push(u64(BigInt(intervals.length)));
    // The end of an interval is the first number that is not in it.
    for (const { first, last } of intervals) parts.push(u64(first), u64(last + 1n));
  }
  const set = Buffer.concat(parts);
  const head = Buffer.alloc(22);
  head.writeUInt16LE(4, 0);
  head.writeUInt32LE(serverId, 2);
  head.writeBigUInt64LE(BigInt(FILE_BEGIN), 10);
  head.writeUInt32LE(set.length, 18);
  return Buffer.concat([head, set]);
}
