/** The kinds of databases whose segments are read. */

import type { FeedDialect } from "./dialect.ts";
import { MYSQL_DIALECT } from "./mysql/dialect.ts";
import { POSTGRES_DIALECT } from "./postgres/dialect.ts";

/** That of the kind which a segment's header names. */
export function dialectOf(kind: string): FeedDialect {
  return kind === "mysql" ? MYSQL_DIALECT : POSTGRES_DIALECT;
}
