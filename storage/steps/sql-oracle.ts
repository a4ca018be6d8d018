/** Lookups by SQL: one statement for some keys, in a session that only reads. */

import { constants, Database } from "bun:sqlite";
import { errorText, LakeError } from "../../core/base/errors.ts";
import { formatDuration } from "../../core/base/quantity.ts";
import * as mysql from "../sources/mysql/connection.ts";
import * as postgres from "../sources/postgres/connection.ts";
import {
  type Answer,
  type AnswerRow,
  checkColumns,
  dealt,
  type KeyTexts,
  type Oracle,
  Passing,
} from "./oracle.ts";
import type { AskTask } from "./wire.ts";

const URL_ALONE = { host: null, port: null, database: null, user: null, password: null } as const;
const DOING = "ask for keys";
const SQLITE_BUSY_MS = 5_000;
/** A server that ends a statement by itself says why, and comes first. */
const LATE_MS = 500;

interface Named {
  readonly columns: readonly string[];
  readonly rows: readonly (readonly (string | null)[])[];
}

interface Session {
  /** What stands for a value in a statement; it is kept for `run`. */
  parameter(text: string, isNumber: boolean): string;
  run(sql: string): Promise<Named>;
  close(): Promise<void>;
  /** Ends it at once, whatever is under way. */
  destroy(): void;
}

/** Throws what connecting throws. */
export async function openSqlOracle(
  task: AskTask,
  dialect: "postgres" | "mysql" | "sqlite",
): Promise<Oracle> {
  const open = { postgres: openPostgres, mysql: openMysql, sqlite: openSqlite }[dialect];
  return new SqlOracle(task, open);
}

class SqlOracle implements Oracle {
  readonly #task: AskTask;
  readonly #open: (task: AskTask) => Promise<Session>;
  #session: Session | null = null;

  constructor(task: AskTask, open: (task: AskTask) => Promise<Session>) {
    this.#task = task;
    this.#open = open;
  }

  async ask(keys: readonly KeyTexts[], signal: AbortSignal): Promise<readonly Answer[]> {
    const { ask, keys: names, numbers } = this.#task.request;
    const columns = this.#task.request.columns.map(({ name }) => name);
    let answer: Named;
    try {
      this.#session ??= await this.#open(this.#task);
      const session = this.#session;
      const list = keys.map((key) => {
        const places = key
          .map((text, index) => session.parameter(text, numbers.includes(names[index] ?? "")))
          .join(", ");
        return key.length === 1 ? places : `(${places})`;
      });
      // A function: "$'" of a key is no pattern.
      const sql = ask.replaceAll("{keys}", () => list.join(", "));
      answer = await this.#inTime(session, () => session.run(sql), signal);
    } catch (thrown) {
      // A session that failed is not gone on with.
      await this.close();
      if (thrown instanceof LakeError && thrown.code === "io") throw new Passing(thrown);
      throw thrown;
    }
    checkColumns(answer.columns, { keys: names, columns });
    const rows = answer.rows.map(
      (row): AnswerRow =>
        new Map(answer.columns.map((name, index) => [name.toLowerCase(), row[index] ?? null])),
    );
    return dealt(rows, keys, { keys: names, columns });
  }

  /** A server that says nothing is left. */
  async #inTime(session: Session, run: () => Promise<Named>, signal: AbortSignal): Promise<Named> {
    const { timeoutMs } = this.#task.connection;
    const late = AbortSignal.timeout(timeoutMs + LATE_MS);
    const limit = AbortSignal.any([signal, late]);
    const end = (): void => session.destroy();
    limit.addEventListener("abort", end);
    try {
      return await run();
    } catch (thrown) {
      if (!late.aborted) throw thrown;
      const message = `${this.#task.request.from} did not answer within ${formatDuration(timeoutMs)}`;
      throw new LakeError("io", message, { hint: "raise timeout: of lookups:, or lower batch:" });
    } finally {
      limit.removeEventListener("abort", end);
    }
  }

  async close(): Promise<void> {
    const session = this.#session;
    this.#session = null;
    await session?.close();
  }
}

async function openPostgres({ connection, folder }: AskTask): Promise<Session> {
  const { url, tls, tls_ca, timeoutMs } = connection;
  const target = await postgres.targetOf({ ...URL_ALONE, url, tls, tls_ca }, folder);
  const session = await postgres.Connection.open(target, "plain");
  await session.rows("SET default_transaction_read_only = on", DOING);
  await session.rows(`SET statement_timeout = ${Math.ceil(timeoutMs)}`, DOING);
  let values: string[] = [];
  return {
    parameter: (text) => `$${values.push(text)}`,
    run: async (sql) => {
      const given = values;
      values = [];
      return await session.named(sql, DOING, given);
    },
    close: () => session.close(),
    destroy: () => session.destroy(),
  };
}

async function openMysql({ connection, folder }: AskTask): Promise<Session> {
  const { url, tls, tls_ca } = connection;
  const target = await mysql.targetOf({ ...URL_ALONE, url, tls, tls_ca }, folder);
  const session = await mysql.Connection.open(target);
  if (target.database !== "") {
    await session.rows(`USE \`${target.database.replaceAll("`", "``")}\``, DOING);
  }
  await session.rows("SET SESSION TRANSACTION READ ONLY", DOING);
  return {
    // A number is none where texts are compared: 7 is "007" then. A text in hexadecimal ends nowhere but at its end,
    // whatever the mode of the server.
    parameter: (text, isNumber) => {
      if (isNumber && /^-?\d+$/.test(text)) return text;
      return text === "" ? "''" : `_utf8mb4 0x${Buffer.from(text, "utf8").toString("hex")}`;
    },
    run: (sql) => session.named(sql, DOING),
    close: async () => session.destroy(),
    destroy: () => session.destroy(),
  };
}

async function openSqlite({ connection, folder }: AskTask): Promise<Session> {
  const named = connection.url.replace(/^sqlite:(?:\/\/(?=\/))?/i, "");
  const path = named.startsWith("/") ? named : `${folder}/${named}`;
  let values: (string | bigint)[] = [];
  const failed = (thrown: unknown, doing: string): LakeError => {
    const isBusy = /BUSY|LOCKED|locked/.test(errorText(thrown));
    return new LakeError(
      isBusy ? "io" : "config",
      `cannot ${doing} ${named}: ${errorText(thrown)}`,
      {
        hint: isBusy ? "it is tried again" : "correct ask: of the model, or url: of lookups:",
      },
    );
  };
  let database: Database;
  try {
    database = new Database(path, constants.SQLITE_OPEN_READONLY);
    database.run(`PRAGMA busy_timeout = ${SQLITE_BUSY_MS}`);
  } catch (thrown) {
    throw failed(thrown, "open");
  }
  return {
    parameter: (text, isNumber) => {
      values.push(isNumber ? BigInt(text) : text);
      return "?";
    },
    run: async (sql) => {
      const given = values;
      values = [];
      try {
        const statement = database.query(sql);
        statement.safeIntegers(true);
        const rows = statement.values(...given).map((row) => row.map(sqliteText));
        return { columns: statement.columnNames, rows };
      } catch (thrown) {
        throw failed(thrown, "ask");
      }
    },
    close: async () => database.close(),
    destroy: () => {},
  };
}

function sqliteText(value: unknown): string | null {
  if (value === null) return null;
  return value instanceof Uint8Array ? Buffer.from(value).toString("hex") : String(value);
}
