/** Connections to a server: what they are told at their start, and statements whose answers are texts. */

import { readFile } from "node:fs/promises";
import type { Socket } from "node:net";
import { checkServerIdentity, type PeerCertificate } from "node:tls";
import pg from "pg";
import { ioError } from "../../../core/base/errors.ts";
import { type Place, refusal } from "../source-failure.ts";
import { sourceError } from "./failure.ts";
import type { PostgresSettings } from "./settings.ts";

/** A row of an answer: each value as the server writes it. */
export type Row = readonly (string | null)[];

/** Where a server is, and how one logs in. */
export interface Target extends Place {
  readonly password: string | null;
  readonly tls: PostgresSettings["tls"];
  /** The authorities, as the file has them. */
  readonly authorities: string | null;
}

const CONNECT_MS = 20_000;
const DEFAULT_PORT = 5_432;
/**
 * What decides how the server writes values as text, whatever database and role are set to: given at the start it goes
 * before both. PostgreSQL, "Client Connection Defaults".
 */
const PARAMETERS: Readonly<Record<string, string>> = {
  DateStyle: "ISO",
  IntervalStyle: "postgres",
  TimeZone: "UTC",
  extra_float_digits: "1",
  bytea_output: "hex",
  lc_monetary: "C",
  statement_timeout: "0",
  idle_in_transaction_session_timeout: "0",
  lock_timeout: "0",
  // A table of the same name in a schema that somebody else may write to is not found.
  search_path: "pg_catalog",
};

/** Reads where the server is out of the settings. Throws `usage` for a text that is no URL. */
export async function targetOf(
  settings: Pick<PostgresSettings, keyof Place | "password" | "url" | "tls" | "tls_ca">,
  projectRoot: string,
): Promise<Target> {
  const url = settings.url === null ? null : urlOf(settings.url);
  const part = (text: string | undefined) =>
    text === undefined || text === "" ? null : decodeURIComponent(text);
  const user = settings.user ?? part(url?.username) ?? "postgres";
  const mode = url?.searchParams.get("sslmode") ?? null;
  return {
    host: settings.host ?? part(url?.hostname) ?? "localhost",
    port: settings.port ?? (part(url?.port) === null ? DEFAULT_PORT : Number(url?.port)),
    database: settings.database ?? part(url?.pathname.slice(1)) ?? user,
    user,
    password: settings.password ?? part(url?.password),
    tls: settings.tls === "prefer" && isTlsMode(mode) ? mode : settings.tls,
    authorities: settings.tls_ca === null ? null : await textOf(settings.tls_ca, projectRoot),
  };
}

/** A connection that runs statements, and whose socket may be taken over. */
export class Connection {
  readonly target: Target;
  readonly #client: pg.Client;
  /** What the server sent beside answers. */
  readonly notices: string[] = [];

  private constructor(client: pg.Client, target: Target) {
    this.#client = client;
    this.target = target;
    // The server may end a connection at any time: whoever waits for an answer is told.
    client.on("error", () => {});
    client.on("notice", (notice) => this.notices.push(notice.message ?? ""));
  }

  /** Opens one. Throws LakeError: `io` for what may pass, `config` or `not-found` for what will not. */
  static async open(target: Target, kind: "plain" | "replication"): Promise<Connection> {
    try {
      return await Connection.#open(target, kind, target.tls !== "disable");
    } catch (thrown) {
      const refused = thrown instanceof Error && /does not support SSL/.test(thrown.message);
      if (target.tls === "prefer" && refused) return await opened(target, kind, false);
      throw sourceError(thrown, "connect", target);
    }
    async function opened(to: Target, as: typeof kind, tls: boolean): Promise<Connection> {
      try {
        return await Connection.#open(to, as, tls);
      } catch (thrown) {
        throw sourceError(thrown, "connect", to);
      }
    }
  }

  static async #open(target: Target, kind: string, isEncrypted: boolean): Promise<Connection> {
    const options = Object.entries(PARAMETERS).map(([name, value]) => `-c ${name}=${value}`);
    const config = {
      host: target.host,
      port: target.port,
      database: target.database,
      user: target.user,
      // An empty one keeps the library from looking for a file of passwords.
      password: target.password ?? "",
      application_name: "tarn",
      options: options.join(" "),
      keepAlive: true,
      connectionTimeoutMillis: CONNECT_MS,
      ssl: isEncrypted ? tlsOptions(target) : false,
      types: AS_TEXT,
      ...(kind === "replication" ? { replication: "database" } : {}),
    };
    const client = new pg.Client(config);
    const connection = new Connection(client, target);
    try {
      await client.connect();
    } catch (thrown) {
      await client.end().catch(() => {});
      throw thrown;
    }
    return connection;
  }

  /** Runs one statement. Throws LakeError, worded with what was being done. */
  async rows(sql: string, doing: string, values?: readonly string[]): Promise<readonly Row[]> {
    try {
      const given = values === undefined ? {} : { values: [...values] };
      const { rows } = await this.#client.query({ text: sql, rowMode: "array", ...given });
      return rows;
    } catch (thrown) {
      throw sourceError(thrown, doing, this.target);
    }
  }

  /** The same, with the names of the columns. */
  async named(
    sql: string,
    doing: string,
    values: readonly string[],
  ): Promise<{ readonly columns: readonly string[]; readonly rows: readonly Row[] }> {
    try {
      const { rows, fields } = await this.#client.query({
        text: sql,
        rowMode: "array",
        values: [...values],
      });
      return { columns: fields.map(({ name }) => name), rows };
    } catch (thrown) {
      throw sourceError(thrown, doing, this.target);
    }
  }

  /** The socket, whose bytes are from now on read by who took it. Nothing else may be asked of the connection. */
  takeSocket(): Socket {
    const socket = socketOf(this.#client);
    socket.removeAllListeners("data");
    return socket;
  }

  async close(): Promise<void> {
    await this.#client.end().catch(() => {});
  }

  /** Ends it at once, whatever is under way. */
  destroy(): void {
    socketOf(this.#client).destroy();
  }
}

/** A name as it stands in a statement. */
export function quoteName(name: string): string {
  return pg.escapeIdentifier(name);
}

/** A text as it stands in a statement. */
export function quoteText(text: string): string {
  return pg.escapeLiteral(text);
}

/** For each type a reader of texts that leaves them as they are. */
const AS_TEXT: pg.CustomTypesConfig = { getTypeParser: () => (text: string) => text };

/** The library's connection has its socket in this field; a TLS one takes the place of the plain one. */
function socketOf(client: pg.Client): Socket {
  const inner = client as unknown as { readonly connection: { readonly stream: Socket } }; // parse: as said above
  return inner.connection.stream;
}

function urlOf(text: string): URL {
  const url = URL.canParse(text) ? new URL(text) : null;
  if (url !== null && /^postgres(?:ql)?:$/.test(url.protocol)) return url;
  throw refusal(
    "config",
    "the url of the source is none that PostgreSQL has",
    "write postgres://user@host:5432/database",
  );
}

async function textOf(path: string, projectRoot: string): Promise<string> {
  const absolute = path.startsWith("/") ? path : `${projectRoot}/${path}`;
  try {
    return await readFile(absolute, "utf8");
  } catch (thrown) {
    throw ioError(thrown, "read", absolute);
  }
}

/** As libpq: below verify-ca nothing is checked, and verify-ca does not ask for whom the certificate is. */
function tlsOptions({ tls, authorities, host }: Target) {
  const ca = authorities === null ? {} : { ca: authorities };
  switch (tls) {
    case "verify-full":
      // The library names hosts that are no addresses; an address is looked for in the certificate too.
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

function isTlsMode(mode: string | null): mode is PostgresSettings["tls"] {
  return (
    mode !== null && ["disable", "prefer", "require", "verify-ca", "verify-full"].includes(mode)
  );
}
