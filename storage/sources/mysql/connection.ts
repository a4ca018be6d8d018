/** Connections to a server: logged in, told what they are for, and statements whose answers are texts. */

import { readFile } from "node:fs/promises";
import { connect as connectPlain, type Socket } from "node:net";
import { checkServerIdentity, connect as connectEncrypted, type PeerCertificate } from "node:tls";
import { ioError, LakeError } from "../../../core/base/errors.ts";
import { RowImage } from "../../../core/ingest/binlog-row.ts";
import { type Place, refusal } from "../source-failure.ts";
import { sourceError } from "./failure.ts";
import { answerTo, logIn } from "./login.ts";
import { Fields, PACKET, PacketSocket } from "./packets.ts";
import type { MysqlSettings } from "./settings.ts";

/** A row of an answer: each value as the server writes it. */
export type Row = readonly (string | null)[];

/** Where a server is, and how one logs in. */
export interface Target extends Place {
  readonly password: string;
  readonly tls: MysqlSettings["tls"];
  /** The authorities, as the file has them. */
  readonly authorities: string | null;
}

/** What says where a server is. */
export type TargetSettings = Pick<
  MysqlSettings,
  "url" | "host" | "port" | "database" | "user" | "password" | "tls" | "tls_ca"
>;

/** A row as it was received: valid until the next one is asked for. */
export interface RawRow {
  readonly bytes: Uint8Array;
  readonly start: number;
  readonly end: number;
}

const DEFAULT_PORT = 3_306;
const CONNECT_MS = 20_000;
const QUERY = 3;
/** What the connection can do. MySQL, "Capabilities Flags". */
const CAPABLE = {
  longPassword: 1,
  longFlag: 4,
  protocol41: 0x200,
  ssl: 0x800,
  transactions: 0x2000,
  secure: 0x8000,
  plugins: 0x8_0000,
} as const;
const ASKED =
  CAPABLE.longPassword |
  CAPABLE.longFlag |
  CAPABLE.protocol41 |
  CAPABLE.transactions |
  CAPABLE.secure |
  CAPABLE.plugins;
const PACKET_BYTES_MAX = 0x4000_0000;
/** utf8mb4_general_ci. */
const COLLATION = 45;
const EOF_BYTES_MAX = 9;
/** What a session is told that decides how values are written, whatever the server is set to. */
const SESSION = `SET NAMES utf8mb4, sql_mode = '', time_zone = '+00:00', wait_timeout = 86400,
  net_write_timeout = 3600, autocommit = 1, sql_quote_show_create = 1, sql_auto_is_null = 0`;

/** Reads where the server is out of the settings. Throws `config` for a text that is no URL. */
export async function targetOf(settings: TargetSettings, projectRoot: string): Promise<Target> {
  const url = settings.url === null ? null : urlOf(settings.url);
  const part = (text: string | undefined) =>
    text === undefined || text === "" ? null : decodeURIComponent(text);
  return {
    host: settings.host ?? part(url?.hostname) ?? "localhost",
    port: settings.port ?? (part(url?.port) === null ? DEFAULT_PORT : Number(url?.port)),
    database: databaseOf(settings) ?? "",
    user: settings.user ?? part(url?.username) ?? "root",
    password: settings.password ?? part(url?.password) ?? "",
    tls: settings.tls,
    authorities: settings.tls_ca === null ? null : await textOf(settings.tls_ca, projectRoot),
  };
}

/**
 * The database that is meant where a table is named without one; null when nothing says which, or a url that is a
 * secret does.
 */
export function databaseOf(settings: Pick<MysqlSettings, "database" | "url">): string | null {
  const { database, url } = settings;
  if (database !== null || url === null || !URL.canParse(url)) return database;
  const path = new URL(url).pathname.slice(1);
  return path === "" ? null : decodeURIComponent(path);
}

/** A connection that runs statements, one after the other. */
export class Connection {
  readonly target: Target;
  readonly packets: PacketSocket;
  /** As the server says it, without what stands in front for old clients. */
  version = "";
  #threadId = 0;
  #last: Promise<unknown> = Promise.resolve();
  /** Hears the names of the columns of an answer. */
  #onColumn: ((name: string) => void) | null = null;

  private constructor(target: Target, packets: PacketSocket) {
    this.target = target;
    this.packets = packets;
  }

  get isMariaDb(): boolean {
    return /mariadb/i.test(this.version);
  }

  /** By which the server knows the connection. */
  get threadId(): number {
    return this.#threadId;
  }

  /** Opens one. Throws LakeError: `io` for what may pass, `config` or `not-found` for what will not. */
  static async open(target: Target, nowMs: () => number = () => 0): Promise<Connection> {
    try {
      const socket = await opened(target);
      const connection = new Connection(target, new PacketSocket(socket, nowMs));
      const late = (): void => void socket.destroy(new Error("no answer"));
      const limit = AbortSignal.timeout(CONNECT_MS);
      limit.addEventListener("abort", late);
      try {
        await connection.#greet();
        await connection.#run(SESSION);
      } catch (thrown) {
        connection.destroy();
        throw thrown;
      } finally {
        limit.removeEventListener("abort", late);
      }
      return connection;
    } catch (thrown) {
      throw sourceError(thrown, "connect", target);
    }
  }

  /** Runs one statement. Throws LakeError, worded with what was being done. */
  async rows(sql: string, doing: string): Promise<readonly Row[]> {
    const rows: Row[] = [];
    const decoder = new TextDecoder();
    await this.eachValues(sql, doing, (values) => {
      rows.push(values.map((value) => (value === null ? null : decoder.decode(value))));
      return null;
    });
    return rows;
  }

  /** The rows of one statement, with the names of its columns. */
  async named(
    sql: string,
    doing: string,
  ): Promise<{ readonly columns: readonly string[]; readonly rows: readonly Row[] }> {
    const columns: string[] = [];
    this.#onColumn = (name) => columns.push(name);
    try {
      return { columns, rows: await this.rows(sql, doing) };
    } finally {
      this.#onColumn = null;
    }
  }

  /** As `each` has it, with the values of the row: bytes that are valid until the next one. */
  async eachValues(
    sql: string,
    doing: string,
    take: (values: readonly (Uint8Array | null)[]) => Promise<void> | null,
  ): Promise<void> {
    const image = new RowImage();
    await this.each(sql, doing, ({ bytes, start, end }, count) => {
      image.readAnswer(bytes, start, end, count);
      const values: (Uint8Array | null)[] = [];
      for (let index = 0; index < count; index++) {
        const value = bytes.subarray(image.start(index), image.end(index));
        values.push(image.kind(index) === 0 ? null : value);
      }
      return take(values);
    });
  }

  /** Runs one statement, and hands over each row as it is received: a promise where the next one has to wait. */
  async each(
    sql: string,
    doing: string,
    take: (row: RawRow, columns: number) => Promise<void> | null,
  ): Promise<void> {
    const before = this.#last;
    const own = (async () => {
      await before.catch(() => {});
      await this.#run(sql, take);
    })();
    this.#last = own;
    try {
      await own;
    } catch (thrown) {
      throw sourceError(thrown, doing, this.target);
    }
  }

  /** Ends it at once, whatever is under way. */
  destroy(): void {
    this.packets.destroy();
  }

  async #run(
    sql: string,
    take: (row: RawRow, columns: number) => Promise<void> | null = () => null,
  ): Promise<void> {
    const { packets } = this;
    packets.command(QUERY, new TextEncoder().encode(sql));
    await packets.packet();
    const first = packets.bytes[packets.start];
    if (first === PACKET.ok) return;
    if (first === PACKET.local) throw new Error("the server asks for a file");
    const columns = new Fields(packets.bytes, packets.start, packets.end).length();
    for (let left = columns + 1; left > 0; left--) {
      await packets.packet();
      if (left > 1) this.#onColumn?.(columnName(packets.bytes, packets.start, packets.end));
    }
    for (;;) {
      await packets.packet();
      const { bytes, start, end } = packets;
      if (bytes[start] === PACKET.eof && end - start < EOF_BYTES_MAX) return;
      const wait = take(packets, columns);
      if (wait !== null) await wait;
    }
  }

  async #greet(): Promise<void> {
    const { packets, target } = this;
    await packets.packet();
    const fields = new Fields(packets.bytes, packets.start, packets.end);
    const protocol = fields.uint(1);
    if (protocol !== 10) throw new Error(`it speaks version ${protocol} of the protocol`);
    this.version = fields.text().replace(/^5\.5\.5-/, "");
    this.#threadId = fields.uint(4);
    const nonce = [...fields.take(8)];
    fields.skip(1);
    const low = fields.uint(2);
    fields.skip(3);
    const able = low + fields.uint(2) * 0x1_0000;
    const nonceBytes = fields.uint(1);
    fields.skip(10);
    nonce.push(...fields.take(Math.max(12, nonceBytes - 9)));
    fields.skip(1);
    const plugin = fields.left > 0 ? fields.text() : "mysql_native_password";
    const isEncrypted = await this.#encrypt((able & CAPABLE.ssl) !== 0);
    const isPrivate = isEncrypted || target.host.startsWith("/");
    const login = { user: target.user, password: target.password, isPrivate };
    const challenge = Uint8Array.from(nonce);
    const known = ["mysql_native_password", "caching_sha2_password"];
    // Of another plugin the server asks once more, and then it is known for whom.
    const first = known.includes(plugin) ? plugin : "mysql_native_password";
    packets.answer(this.#response(isEncrypted, first, answerTo(first, challenge, login)));
    await logIn(packets, first, challenge, login);
  }

  #response(isEncrypted: boolean, plugin: string, answer: Uint8Array): Uint8Array {
    const able = ASKED | (isEncrypted ? CAPABLE.ssl : 0);
    return Buffer.concat([
      heading(able),
      Buffer.from(`${this.target.user}\0`),
      Buffer.of(answer.length),
      answer,
      Buffer.from(`${plugin}\0`),
    ]);
  }

  async #encrypt(isOffered: boolean): Promise<boolean> {
    const { target, packets } = this;
    const isLocal = target.host.startsWith("/");
    if (target.tls === "disable" || isLocal || (!isOffered && target.tls === "prefer")) {
      return false;
    }
    if (!isOffered) {
      const hint = "tls: disable where the network is trusted, or set up ssl_cert and ssl_key";
      throw refusal("config", "the server does not encrypt connections", hint);
    }
    packets.answer(heading(ASKED | CAPABLE.ssl));
    const plain = packets.socket;
    plain.removeAllListeners("data");
    const encrypted = connectEncrypted({ socket: plain, ...tlsOptions(target) });
    await new Promise<void>((resolve, reject) => {
      encrypted.once("secureConnect", () => resolve());
      encrypted.once("error", reject);
    });
    packets.replace(encrypted);
    return true;
  }
}

/** A name as it stands in a statement. */
export function quoteName(name: string): string {
  return `\`${name.replaceAll("`", "``")}\``;
}

/** A text as it stands in a statement of a session of ours, where a backslash escapes. */
export function quoteText(text: string): string {
  return `'${text.replaceAll("\\", "\\\\").replaceAll("'", "''")}'`;
}

/** The name of a table as it stands in a statement. */
export function quoteTable(of: { readonly schema: string; readonly table: string }): string {
  return `${quoteName(of.schema)}.${quoteName(of.table)}`;
}

/** What stands in front of a name and an answer, and alone where encryption is asked for. */
function heading(able: number): Buffer {
  const bytes = Buffer.alloc(32);
  bytes.writeUInt32LE(able, 0);
  bytes.writeUInt32LE(PACKET_BYTES_MAX, 4);
  bytes[8] = COLLATION;
  return bytes;
}

function opened({ host, port }: Target): Promise<Socket> {
  const socket = host.startsWith("/") ? connectPlain({ path: host }) : connectPlain({ host, port });
  socket.setNoDelay(true);
  socket.setKeepAlive(true);
  return new Promise((resolve, reject) => {
    const limit = AbortSignal.timeout(CONNECT_MS);
    limit.addEventListener("abort", () => {
      if (!socket.connecting) return;
      socket.destroy();
      reject(Object.assign(new Error("no answer"), { code: "ETIMEDOUT" }));
    });
    socket.once("connect", () => {
      socket.removeAllListeners("error");
      resolve(socket);
    });
    socket.once("error", reject);
  });
}

/** Below verify-ca nothing is checked, and verify-ca does not ask for whom the certificate is. */
function tlsOptions({ tls, authorities, host }: Target) {
  const ca = authorities === null ? {} : { ca: authorities };
  switch (tls) {
    case "verify-full":
      return {
        ...ca,
        checkServerIdentity: (_name: string, certificate: PeerCertificate) =>
          checkServerIdentity(host, certificate),
      };
    case "verify-ca":
      return { ...ca, checkServerIdentity: () => undefined };
    default:
      return { rejectUnauthorized: false };
  }
}

/** Behind catalog, schema, table and the table's own name. MySQL, "Protocol::ColumnDefinition41". */
function columnName(bytes: Uint8Array, start: number, end: number): string {
  const fields = new Fields(bytes, start, end);
  for (let before = 0; before < 4; before++) fields.skip(fields.length());
  return new TextDecoder().decode(fields.take(fields.length()));
}

function urlOf(text: string): URL {
  const url = URL.canParse(text) ? new URL(text) : null;
  if (url !== null && /^(?:mysql|mariadb):$/.test(url.protocol)) return url;
  throw refusal(
    "config",
    "the url of the source is none that MySQL or MariaDB has",
    "write mysql://user@host:3306/database",
  );
}

async function textOf(path: string, projectRoot: string): Promise<string> {
  const absolute = path.startsWith("/") ? path : `${projectRoot}/${path}`;
  try {
    return await readFile(absolute, "utf8");
  } catch (thrown) {
    throw thrown instanceof LakeError ? thrown : ioError(thrown, "read", absolute);
  }
}
