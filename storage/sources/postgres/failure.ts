/** What servers and networks answer when something is wrong, as errors that a person can act on. */

import type { ErrorCode } from "../../../core/base/errors.ts";
import { errorText, LakeError, systemCode } from "../../../core/base/errors.ts";
import { gapError, type Meaning, NETWORK_MEANINGS, type Place } from "../source-failure.ts";
import { formatLsn } from "./lsn.ts";

/** What the server sent. PostgreSQL, "Error and Notice Message Fields". */
export interface ServerReport {
  readonly severity: string;
  readonly code: string;
  readonly message: string;
  readonly detail: string;
  readonly hint: string;
}

/** An error that the server sent where its messages are read by ourselves. */
export class ServerError extends Error implements ServerReport {
  override readonly name = "ServerError";
  readonly severity: string;
  readonly code: string;
  readonly detail: string;
  readonly hint: string;

  constructor(report: ServerReport) {
    super(report.message);
    this.severity = report.severity;
    this.code = report.code;
    this.detail = report.detail;
    this.hint = report.hint;
  }
}

const PASSWORD: Meaning = {
  code: "config",
  hint: ({ user }) => `correct user and password of the source; the role is ${user}`,
};

/** By SQLSTATE. What stops for good is `config`, `not-found` or `conflict`; `io` may pass by itself. */
const MEANINGS: Readonly<Record<string, Meaning>> = {
  "28P01": PASSWORD,
  "28000": {
    code: "config",
    hint: ({ user }) =>
      `as a superuser: ALTER ROLE ${quoted(user)} LOGIN REPLICATION; and let pg_hba.conf admit the role`,
  },
  "3D000": { code: "not-found", hint: () => "correct the database of the source" },
  "42501": {
    code: "config",
    hint: ({ user }) =>
      `as the owner or a superuser: GRANT SELECT on its tables, and ALTER ROLE ${quoted(user)} REPLICATION`,
  },
  "42704": {
    code: "not-found",
    hint: () => "the check of the source says what is missing, with the SQL that makes it",
  },
  "53300": {
    code: "io",
    hint: () => "the server has no connection left: raise max_connections or max_wal_senders",
  },
  "53400": {
    code: "config",
    hint: () => "all replication slots are in use: raise max_replication_slots, or drop one",
  },
  "55006": {
    code: "io",
    hint: () =>
      "the slot is in use by another reader: stop that one; each lake needs a slot of its own",
  },
  "57P03": { code: "io", hint: () => "the server is starting or stopping: it is tried again" },
  ...NETWORK_MEANINGS,
};

/** An error of the source: what the reader was at, what the server or the system said, what to do. */
export function sourceError(thrown: unknown, doing: string, place: Place): LakeError {
  if (thrown instanceof LakeError) return thrown;
  const code = systemCode(thrown);
  const meaning = MEANINGS[code];
  const said = errorText(thrown);
  const at = `${place.host}:${place.port}/${place.database}`;
  const hint = meaning?.hint(place) ?? hintOf(thrown);
  return new LakeError(meaning?.code ?? codeOf(code), `cannot ${doing} at ${at}: ${said}`, {
    ...(hint === "" ? {} : { hint }),
    context: { host: place.host, port: place.port, database: place.database, sqlstate: code },
    scope: "source",
    cause: thrown,
  });
}

/** A table that was not in the publication for a while. */
export function missed(table: string, since: bigint): LakeError {
  return gapError(
    `table ${table} was taken out of the publication and put in again`,
    { from: formatLsn(since), to: null },
    "read it anew: tarn source resnapshot NAME",
  );
}

/** What the system or the network says is worth another try; what the server says of a statement is not. */
function codeOf(code: string): ErrorCode {
  const isState = /^[0-9A-Z]{5}$/.test(code);
  const isPassing = /^(?:08|57|58|40|53)/.test(code);
  return isState && !isPassing ? "config" : "io";
}

function hintOf(thrown: unknown): string {
  return thrown instanceof ServerError || (thrown instanceof Error && "hint" in thrown)
    ? String(thrown.hint ?? "")
    : "";
}

function quoted(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}
