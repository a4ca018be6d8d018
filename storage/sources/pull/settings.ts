/** What `tarn.yaml` says of a source of `kind: pull`. */

import {
  below,
  type Cursor,
  duration,
  integer,
  isRecord,
  list,
  mapOf,
  needed,
  nullable,
  object,
  oneOf,
  optional,
  report,
  type Shape,
  text,
  type Values,
} from "../../../core/config/shape.ts";

const NOTHING: string | null = null;
const NO_TEXTS: readonly string[] = [];
const EVERY_MS = 5 * 60_000;
const PAGE_ROWS = 50_000;
const PAGE_ROWS_MAX = 1_000_000;

const TABLE_KEYS = {
  cursor: optional(
    nullable(text({ examples: ["updated_at", "id"] })),
    NOTHING,
    "A column that grows with every change: what is asked for begins at the greatest that was seen. Default: none, " +
      "and all rows are read each time, as one load.",
  ),
  key: optional(
    list(text({ examples: ["id"] })),
    NO_TEXTS,
    "Columns that name a row. Default: the table's primary key.",
  ),
  overlap: optional(
    duration(),
    0,
    "How far before the greatest cursor it is asked again: longer than a transaction takes to commit.",
  ),
} as const;

export type PullTableSettings = Values<typeof TABLE_KEYS> & {
  /** As it was written. */
  readonly name: string;
};

const KEYS = {
  url: needed(
    text({
      examples: [
        `postgres://reader:\${CRM_PASSWORD}@db.example.com/crm`,
        `mysql://reader:\${CRM_PASSWORD}@db.example.com/crm`,
        "sqlite:data/crm.db",
      ],
    }),
    "The database: postgres://user:password@host:port/database, mysql:// likewise, or sqlite: and a file.",
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
  every: optional(duration(), EVERY_MS, "How often it is asked, by `tarn up`."),
  page: optional(
    integer({ min: 1, max: PAGE_ROWS_MAX }),
    PAGE_ROWS,
    "Rows asked for at once at most; fewer where they are large.",
  ),
  tables: needed(tableList(), "What is read, by names with their schema unless that is public."),
} as const;

export const PULL_SETTINGS = object(KEYS);
export type PullSettings = Values<typeof KEYS>;

function tableList(): Shape<readonly PullTableSettings[]> {
  const check = (name: string): string | null =>
    /^[^.]+(\.[^.]+)?$/.test(name) ? null : `"${name}" is no table, or schema.table`;
  const map = mapOf(object(TABLE_KEYS), check);
  return {
    get schema() {
      return map.schema;
    },
    read: (value, cursor) => {
      if (!isRecord(value) || Object.keys(value).length === 0) {
        const hint = "tables: { orders: { cursor: updated_at } }";
        return report(cursor, "a pull needs tables", hint);
      }
      const read = map.read(value, cursor);
      if (read === undefined) return undefined;
      const tables = [...read].map(([name, given]) => ({ ...given, name }));
      for (const table of tables) refuse(table, below(cursor, table.name));
      return tables;
    },
    spell: () => ({}),
  };
}

function refuse({ cursor, overlap, key }: PullTableSettings, at: Cursor): void {
  if (cursor !== null) return;
  if (overlap > 0) report(below(at, "overlap"), "overlap means nothing without cursor");
  if (key.length > 0) report(below(at, "key"), "key means nothing without cursor");
}
