/** What `tarn.yaml` says of a source of `kind: mysql`. */

import {
  duration,
  integer,
  list,
  nullable,
  object,
  oneOf,
  optional,
  type Shape,
  text,
  type Values,
} from "../../../core/config/shape.ts";
import { snapshotAsBoolean } from "../snapshot-word.ts";

/** One entry under `sources:`, without its `kind`. */
export type MysqlSettings = Values<typeof KEYS>;

const NOTHING: string | null = null;
const NO_TEXTS: readonly string[] = [];
const PORT_MAX = 65_535;
const DEFAULT_PORT = 3_306;
const HEARTBEAT_MS = 60_000;
/** Server ids are 32 bits. MySQL, "Replication and Binary Logging Options". */
const SERVER_ID_MAX = 2 ** 32 - 1;

const KEYS = {
  url: optional(
    nullable(text({ examples: [`mysql://reader:\${SHOP_PASSWORD}@db.example.com:3306/shop`] })),
    NOTHING,
    "Where the database is, in one text. What is given beside it goes before what stands in it.",
  ),
  host: optional(
    nullable(text({ examples: ["db.example.com"] })),
    NOTHING,
    "The server, or the file of its socket. Default: localhost.",
  ),
  port: optional(
    nullable(integer({ min: 1, max: PORT_MAX })),
    null,
    `The server's port. Default: ${DEFAULT_PORT}.`,
  ),
  database: optional(
    nullable(text({ examples: ["shop"] })),
    NOTHING,
    "The database whose tables go without its name, and all of whose tables are read where none are named.",
  ),
  user: optional(
    nullable(text({ examples: ["reader"] })),
    NOTHING,
    "Who logs in, with REPLICATION SLAVE and SELECT. Default: root.",
  ),
  password: optional(
    nullable(text({ examples: [`\${SHOP_PASSWORD}`] })),
    NOTHING,
    "Its password: a variable or a secret, not the password itself.",
  ),
  tls: optional(
    oneOf(["prefer", "disable", "require", "verify-ca", "verify-full"], { allow: "prefer" }),
    "prefer",
    "Whether the connection is encrypted, and what is checked.",
  ),
  tls_ca: optional(
    nullable(text({ examples: ["certificates/db.pem"] })),
    NOTHING,
    "File with the authorities that the server's certificate is checked against. Default: the system's.",
  ),
  tables: optional(
    list(text({ check: checkPattern, examples: ["orders", "sales.*"] })),
    NO_TEXTS,
    "Which tables: names or globs, with their database unless that is `database`. Default: all of it.",
  ),
  server_id: optional(
    nullable(integer({ min: 1, max: SERVER_ID_MAX })),
    null,
    "The number by which the server knows who reads its log; no two may have the same. Default: made of the lake's id.",
  ),
  snapshot: optional(
    oneOf(["true", "false", "only"], { yes: "true", no: "false", initial: "true", never: "false" }),
    "true",
    "Whether rows that are there already are read first; only: those, and nothing after.",
  ),
  before: optional(
    oneOf(["key", "all"], { full: "all" }),
    "key",
    "What `_before` holds of old rows: the primary key, or all columns.",
  ),
  heartbeat: optional(
    duration(),
    HEARTBEAT_MS,
    "How often the position moves on while nothing comes for these tables.",
  ),
} as const;

export const MYSQL_SETTINGS: Shape<MysqlSettings> = snapshotAsBoolean(object(KEYS));

function checkPattern(value: string): string | null {
  return value.trim() === "" ? "a table's name or a glob is expected" : null;
}
