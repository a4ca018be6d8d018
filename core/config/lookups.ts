/** Whom models of kind lookup ask: the entries of `lookups:` in tarn.yaml. */

import { isNamePart } from "../table/name.ts";
import {
  duration,
  integer,
  mapOf,
  needed,
  nullable,
  object,
  oneOf,
  optional,
  text,
} from "./shape.ts";

/** Whom lookups ask. `url` and `headers` may refer to secrets. */
export interface LookupConfig {
  readonly url: string;
  readonly tls: "prefer" | "disable" | "require" | "verify-ca" | "verify-full";
  readonly tls_ca: string | null;
  readonly headers: Readonly<Record<string, string>>;
  /** Between the beginnings of requests at least. */
  readonly everyMs: number;
  readonly timeoutMs: number;
  readonly retries: number;
}

const RATE = /^(\d+(?:\.\d+)?) ?\/ ?(s|m|h)$/;
const RATE_MS: Readonly<Record<string, number>> = { s: 1_000, m: 60_000, h: 3_600_000 };
const NO_RATE: string | null = null;
const LOOKUP_TIMEOUT_MS = 30_000;
const LOOKUP_RETRIES = 5;
const LOOKUP_RETRIES_MAX = 20;
/** Keys of a lookup under which a secret may stand. */
export const LOOKUP_SECRETS = ["url", "headers"];

const LOOKUP = object({
  url: needed(
    text({
      examples: [
        `postgres://reader:\${secret:crm}@db.example.com/crm`,
        `mysql://reader:\${secret:crm}@db.example.com/crm`,
        "sqlite:data/crm.db",
        "https://crm.example.com/v2",
      ],
    }),
    "Who is asked: a database, or an address that ask: of the model goes on from. Nothing else is asked.",
  ),
  tls: optional(
    oneOf(["prefer", "disable", "require", "verify-ca", "verify-full"], { allow: "prefer" }),
    "prefer",
    "Databases: whether the connection is encrypted, and what is checked, as sslmode of libpq.",
  ),
  tls_ca: optional(
    nullable(text({ examples: ["certificates/db.pem"] })),
    NO_RATE,
    "Databases: file with the authorities that the certificate is checked against. Default: the system's.",
  ),
  headers: optional(
    mapOf(text({})),
    new Map<string, string>(),
    "HTTP: headers of each request, such as Authorization.",
  ),
  rate: optional(
    nullable(
      text({
        check: (value) => (RATE.test(value) ? null : `"${value}" is no rate: write 10/s or 600/m`),
        examples: ["10/s", "600/m"],
      }),
    ),
    NO_RATE,
    "Requests that are begun in a time at most. Default: as fast as they are answered.",
  ),
  timeout: optional(duration(), LOOKUP_TIMEOUT_MS, "How long an answer may take."),
  retries: optional(
    integer({ min: 0, max: LOOKUP_RETRIES_MAX }),
    LOOKUP_RETRIES,
    "How often a request that failed is made again, after waits that double; Retry-After comes first.",
  ),
});

export type LookupValues = NonNullable<ReturnType<typeof LOOKUP.read>>;
export const LOOKUPS = mapOf(LOOKUP, checkLookupName);

/** The entries, as who asks needs them. */
export function lookupConfigs(
  values: ReadonlyMap<string, LookupValues>,
): ReadonlyMap<string, LookupConfig> {
  return new Map([...values].map(([name, lookup]) => [name, lookupConfig(lookup)]));
}

function lookupConfig(values: LookupValues): LookupConfig {
  const { url, tls, tls_ca, headers, rate, timeout: timeoutMs, retries } = values;
  const [, count, unit = "s"] = RATE.exec(rate ?? "") ?? [];
  const everyMs = count === undefined ? 0 : (RATE_MS[unit] ?? 0) / Number(count);
  return { url, tls, tls_ca, headers: Object.fromEntries(headers), everyMs, timeoutMs, retries };
}

function checkLookupName(name: string): string | null {
  return isNamePart(name)
    ? null
    : `"${name}" cannot name a lookup: use lower-case letters, digits and _`;
}
