/** What `tarn.yaml` says of a source of `kind: postgres`. */

import {
  boolean,
  duration,
  integer,
  list,
  nullable,
  object,
  oneOf,
  optional,
  type Shape,
  size,
  text,
  type Values,
} from "../../../core/config/shape.ts";
import { snapshotAsBoolean } from "../snapshot-word.ts";

/** One entry under `sources:`, without its `kind`. */
export type PostgresSettings = Values<typeof KEYS>;

const NOTHING: string | null = null;
const NO_TEXTS: readonly string[] = [];
/** What the server cuts longer names to. NAMEDATALEN of PostgreSQL, less its end. */
const NAME_BYTES_MAX = 63;
const PORT_MAX = 65_535;
const DEFAULT_PORT = 5_432;
const HEARTBEAT_MS = 60_000;
const RETAINED_WAL_BYTES = 10 * 1024 * 1024 * 1024;
const SNAPSHOT_READERS_MAX = 64;

const KEYS = {
  url: optional(
    nullable(text({ examples: [`postgres://reader:\${SHOP_PASSWORD}@db.example.com:5432/shop`] })),
    NOTHING,
    "Where the database is, in one text. What is given beside it goes before what stands in it.",
  ),
  host: optional(
    nullable(text({ examples: ["db.example.com"] })),
    NOTHING,
    "The server, or the folder of its socket. Default: localhost.",
  ),
  port: optional(
    nullable(integer({ min: 1, max: PORT_MAX })),
    null,
    `The server's port. Default: ${DEFAULT_PORT}.`,
  ),
  database: optional(
    nullable(text({ examples: ["shop"] })),
    NOTHING,
    "The database that has the tables. Default: named as the user.",
  ),
  user: optional(
    nullable(text({ examples: ["reader"] })),
    NOTHING,
    "The role, which has REPLICATION. Default: postgres.",
  ),
  password: optional(
    nullable(text({ examples: [`\${SHOP_PASSWORD}`] })),
    NOTHING,
    "Its password: a variable or a secret, not the password itself.",
  ),
  tls: optional(
    oneOf(["prefer", "disable", "require", "verify-ca", "verify-full"], { allow: "prefer" }),
    "prefer",
    "Whether the connection is encrypted, and what is checked: as sslmode of libpq.",
  ),
  tls_ca: optional(
    nullable(text({ examples: ["certificates/db.pem"] })),
    NOTHING,
    "File with the authorities that the server's certificate is checked against. Default: the system's.",
  ),
  tables: optional(
    list(text({ check: checkPattern, examples: ["public.orders", "sales.*"] })),
    NO_TEXTS,
    "Which tables: names or globs, with their schema unless that is public. Default: all that the publication has.",
  ),
  publication: optional(
    nullable(text({ check: checkName })),
    NOTHING,
    "The publication, made when it is not there. Default: tarn_<name>.",
  ),
  slot: optional(
    nullable(text({ check: checkSlot })),
    NOTHING,
    "The replication slot, made when it is not there. Default: tarn_<name>_<part of the lake's id>.",
  ),
  failover: optional(
    boolean(),
    false,
    "Make the slot one that standbys take over (PostgreSQL 17 or newer).",
  ),
  snapshot: optional(
    oneOf(["true", "false", "only"], { yes: "true", no: "false", initial: "true", never: "false" }),
    "true",
    "Whether rows that are there already are read first; only: those, and nothing after.",
  ),
  snapshot_readers: optional(
    integer({ min: 1, max: SNAPSHOT_READERS_MAX }),
    2,
    "Connections that read rows that are there already, at once.",
  ),
  heartbeat: optional(
    duration(),
    HEARTBEAT_MS,
    "How often the slot moves on while nothing comes for these tables, so that the server may drop its log.",
  ),
  max_retained_wal: optional(
    size(),
    RETAINED_WAL_BYTES,
    "Log that the server holds back for the slot, above which a warning is given.",
  ),
  messages: optional(
    boolean(),
    false,
    "Land what pg_logical_emit_message writes, as table pg_catalog.logical_messages.",
  ),
} as const;

export const POSTGRES_SETTINGS: Shape<PostgresSettings> = snapshotAsBoolean(object(KEYS));

function checkPattern(value: string): string | null {
  return value.trim() === "" ? "a table's name or a glob is expected" : null;
}

function checkName(value: string): string | null {
  if (value === "") return "a name is expected";
  return new TextEncoder().encode(value).length > NAME_BYTES_MAX
    ? `a name has at most ${NAME_BYTES_MAX} bytes`
    : null;
}

/** ReplicationSlotValidateName of PostgreSQL. */
function checkSlot(value: string): string | null {
  if (!/^[a-z0-9_]+$/.test(value)) return "a slot's name has small letters, digits and _ only";
  return checkName(value);
}
