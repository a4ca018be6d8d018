/** What servers of MySQL and MariaDB answer when something is wrong, as errors that a person can act on. */

import { type ErrorCode, errorText, LakeError, systemCode } from "../../../core/base/errors.ts";
import { type Meaning, NETWORK_MEANINGS, type Place } from "../source-failure.ts";

/** An error that the server sent. MySQL, "ERR_Packet". */
export class ServerError extends Error {
  override readonly name = "ServerError";
  /** The server's number of it. */
  readonly number: number;
  readonly state: string;

  constructor(number: number, state: string, message: string) {
    super(message);
    this.number = number;
    this.state = state;
  }
}

const LOGIN: Meaning = {
  code: "config",
  hint: ({ user }) => `correct user and password of the source; the user is ${user}`,
};
const RIGHTS: Meaning = {
  code: "config",
  hint: ({ user }) =>
    `as an administrator: GRANT SELECT, REPLICATION SLAVE, REPLICATION CLIENT ON *.* TO ${account(user)};`,
};

/** By the server's number. MySQL, "Server Error Message Reference"; MariaDB, "MariaDB Error Codes". */
const MEANINGS: Readonly<Record<number, Meaning>> = {
  1040: { code: "io", hint: () => "the server has no connection left: raise max_connections" },
  1044: RIGHTS,
  1045: LOGIN,
  1049: { code: "not-found", hint: () => "correct the database of the source" },
  1053: { code: "io", hint: () => "the server is stopping: it is tried again" },
  1130: {
    code: "config",
    hint: ({ user }) =>
      `let the user log in from here: CREATE USER ${account(user)} IDENTIFIED BY …;`,
  },
  1142: RIGHTS,
  1143: RIGHTS,
  1146: { code: "not-found", hint: () => "correct the tables of the source" },
  1203: { code: "io", hint: () => "the user has no connection left: raise max_user_connections" },
  1205: { code: "io", hint: () => "a lock was waited for too long: it is tried again" },
  1213: { code: "io", hint: () => "a deadlock: it is tried again" },
  1227: RIGHTS,
  1317: { code: "io", hint: () => "the statement was interrupted: it is tried again" },
  1698: LOGIN,
  1927: { code: "io", hint: () => "somebody ended the connection: it is opened again" },
};

/** An error of the source: what the reader was at, what the server or the system said, what to do. */
export function sourceError(thrown: unknown, doing: string, place: Place): LakeError {
  if (thrown instanceof LakeError) return thrown;
  const number = thrown instanceof ServerError ? thrown.number : 0;
  const system = systemCode(thrown);
  const meaning = MEANINGS[number] ?? NETWORK_MEANINGS[system];
  const code: ErrorCode = meaning?.code ?? (number > 0 ? "config" : "io");
  const hint = meaning?.hint(place);
  const at = `${place.host}:${place.port}`;
  return new LakeError(code, `cannot ${doing} at ${at}: ${errorText(thrown)}`, {
    ...(hint === undefined ? {} : { hint }),
    context: { host: place.host, port: place.port, database: place.database, number },
    scope: "source",
    cause: thrown,
  });
}

const NO_SUCH_TABLE = 1146;

/** What to do where something is missing for good. */
export const READ_ANEW = "read its tables anew: tarn source resnapshot NAME";

/** True of an error that says that there is no such table. ER_NO_SUCH_TABLE. */
export function isMissing(thrown: unknown): boolean {
  return thrown instanceof LakeError && thrown.context.number === NO_SUCH_TABLE;
}

/** A user from anywhere, as statements name it. */
export function account(user: string): string {
  return `\`${user.replaceAll("`", "``")}\`@\`%\``;
}
