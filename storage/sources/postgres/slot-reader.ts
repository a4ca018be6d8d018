/** The connection that a slot is read by: started, told what is committed, kept alive, closed when it stands still. */

import { LakeError } from "../../../core/base/errors.ts";
import type { Clock } from "../../../core/ports.ts";
import { Connection, quoteName, type Target } from "./connection.ts";
import { CopySocket, MESSAGE } from "./copy-socket.ts";
import { formatLsn, toServerUs } from "./lsn.ts";

export interface SlotReaderOptions {
  readonly target: Target;
  readonly clock: Clock;
  readonly major: number;
  readonly slot: string;
  readonly publication: string;
  readonly messages: boolean;
}

/** Who takes what the server sends. */
export interface SlotListener {
  /** One message of the plugin: a promise where the next one has to wait. */
  message(bytes: Uint8Array, start: number, end: number): Promise<void> | null;
  /** All of the log up to here was sent; `isAsked`: an answer is wanted at once. */
  sent(lsn: bigint, isAsked: boolean): void;
  notice(text: string): void;
  /** Nothing more is taken for now. */
  isFull(): boolean;
}

/** How long a connection may stand still with the server's bytes in it: a checkpoint may be waiting for them. */
const PAUSED_MS_MAX = 10_000;
const STATUS_MS_MAX = 10_000;
const STATUS_MS_MIN = 200;
const STATUS_BYTES = 34;
/** What stands before a message of the plugin. PostgreSQL, "Streaming Replication Protocol", XLogData. */
const XLOG_HEAD_BYTES = 25;
const XLOG_DATA = 0x77;
const KEEPALIVE = 0x6b;
/** In a keepalive, behind the end of the log and the server's clock: whether it asks for an answer. */
const ASKED_AT = 17;
const STATUS_UPDATE = 0x72;
/** The first version of the protocol that sends nothing but what it always did where more is not asked for. */
const PROTOCOLS = [
  { since: 16, version: "4" },
  { since: 15, version: "3" },
  { since: 14, version: "2" },
] as const;
const DOING = "read the slot";

export class SlotReader {
  readonly #socket: CopySocket;
  readonly #clock: Clock;
  #isStalled = false;

  private constructor(socket: CopySocket, clock: Clock) {
    this.#socket = socket;
    this.#clock = clock;
  }

  /** Begins to read behind a place. Throws LakeError. */
  static async open(options: SlotReaderOptions, from: bigint): Promise<SlotReader> {
    const { target, clock, major, slot, publication, messages } = options;
    const connection = await Connection.open(target, "replication");
    const socket = new CopySocket(connection, () => clock.nowMs());
    const protocol = PROTOCOLS.find(({ since }) => major >= since)?.version ?? "1";
    const words = [
      `proto_version '${protocol}'`,
      "streaming 'on'",
      `publication_names ${publicationList(publication)}`,
      ...(messages ? ["messages 'true'"] : []),
    ];
    const place = `SLOT ${quoteName(slot)} LOGICAL ${formatLsn(from)}`;
    socket.query(`START_REPLICATION ${place} (${words.join(", ")})`);
    try {
      do await socket.message(DOING);
      while (socket.type !== MESSAGE.copyBoth);
    } catch (thrown) {
      socket.destroy();
      throw thrown;
    }
    return new SlotReader(socket, clock);
  }

  /** True when it was closed because nothing was taken for long: it may be opened again. */
  get isStalled(): boolean {
    return this.#isStalled;
  }

  /** Takes the messages that are there; false when there were none. Throws what the server or the network says. */
  async receive(listener: SlotListener): Promise<boolean> {
    const socket = this.#socket;
    let isAny = false;
    while (!listener.isFull() && socket.next()) {
      isAny = true;
      const { bytes, start, end, type } = socket;
      if (type === MESSAGE.copyData && bytes[start] === XLOG_DATA) {
        const wait = listener.message(bytes, start + XLOG_HEAD_BYTES, end);
        if (wait !== null) await wait;
      } else this.#other(listener);
    }
    if (!isAny && socket.isOver && !this.#isStalled) throw socket.lost(DOING);
    return isAny;
  }

  /** Resolves when there is more, or the connection is over. */
  more(): Promise<void> {
    return this.#socket.more();
  }

  /** Tells the server what is committed, and closes a connection that stood still for too long. */
  status(confirmed: bigint): void {
    const nowMs = this.#clock.nowMs();
    const message = new Uint8Array(STATUS_BYTES);
    const view = new DataView(message.buffer);
    message[0] = STATUS_UPDATE;
    for (const at of [1, 9, 17]) view.setBigUint64(at, confirmed);
    view.setBigInt64(25, toServerUs(nowMs));
    this.#socket.copyData(message);
    const sinceMs = this.#socket.pausedSinceMs;
    if (sinceMs === null || nowMs - sinceMs < PAUSED_MS_MAX) return;
    this.#isStalled = true;
    this.#socket.destroy();
  }

  close(): void {
    this.#socket.destroy();
  }

  #other(listener: SlotListener): void {
    const { type, bytes, start } = this.#socket;
    if (type === MESSAGE.error) throw this.#socket.reported(DOING);
    if (type === MESSAGE.notice) listener.notice(this.#socket.report().message);
    if (type === MESSAGE.copyData && bytes[start] === KEEPALIVE) {
      const view = new DataView(bytes.buffer, bytes.byteOffset + start);
      listener.sent(view.getBigUint64(1), bytes[start + ASKED_AT] === 1);
    }
    if (type === MESSAGE.copyDone || type === MESSAGE.complete) {
      const message = "the server ended the stream: it is shutting down";
      throw new LakeError("io", message, { scope: "source" });
    }
  }
}

/** How often the server has to be told that somebody is there. */
export async function statusEveryMs(control: Connection): Promise<number> {
  const [row] = await control.rows(
    "SELECT setting FROM pg_settings WHERE name = 'wal_sender_timeout'",
    "ask for wal_sender_timeout",
  );
  const timeoutMs = Number(row?.[0] ?? 0);
  const wantedMs = timeoutMs > 0 ? timeoutMs / 4 : STATUS_MS_MAX;
  return Math.max(STATUS_MS_MIN, Math.min(STATUS_MS_MAX, wantedMs));
}

/** A list of one quoted name, within a quoted text. */
function publicationList(publication: string): string {
  const name = quoteName(publication);
  return `'${name.replaceAll("'", "''")}'`;
}
