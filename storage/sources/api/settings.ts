/** What `tarn.yaml` says of a source of `kind: api`. */

import {
  below,
  type Cursor,
  duration,
  integer,
  isRecord,
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
const EVERY_MS = 5 * 60_000;
const PAGES_MAX = 100_000;

const AUTH_KEYS = {
  bearer: optional(nullable(text({ examples: [`\${API_TOKEN}`] })), NOTHING, "A bearer token."),
  basic: optional(
    nullable(text({ examples: [`user:\${API_PASSWORD}`] })),
    NOTHING,
    "User and password, with a colon between them.",
  ),
  header: optional(
    nullable(text({ examples: ["X-Api-Key"] })),
    NOTHING,
    "The header that holds the key.",
  ),
  key: optional(nullable(text({ examples: [`\${API_KEY}`] })), NOTHING, "What the header holds."),
  token_url: optional(
    nullable(text({})),
    NOTHING,
    "Where a token is asked for with client_id and client_secret (OAuth client credentials).",
  ),
  client_id: optional(
    nullable(text({})),
    NOTHING,
    "Who asks for the token, as the server knows the client.",
  ),
  client_secret: optional(
    nullable(text({})),
    NOTHING,
    "The secret of client_id: a variable or a secret, not the secret itself.",
  ),
  scope: optional(
    nullable(text({})),
    NOTHING,
    "What the token is to be good for, as the server names it.",
  ),
} as const;

const PAGES_KEYS = {
  style: needed(
    oneOf(["page", "offset", "cursor", "link"], { next: "link", token: "cursor" }),
    "How the next page is asked for: by its number, by how many records were passed, by what the last page says, " +
      "or by the Link header.",
  ),
  param: optional(
    nullable(text({ examples: ["page", "offset", "starting_after"] })),
    NOTHING,
    "The parameter that says which page. Default: page, offset, cursor.",
  ),
  size_param: optional(
    nullable(text({ examples: ["limit", "per_page"] })),
    NOTHING,
    "The parameter that says how many records.",
  ),
  size: optional(integer({ min: 1, max: 100_000 }), 100, "Records of a page."),
  first: optional(integer({ min: 0, max: 1 }), 1, "The number of the first page."),
  next: optional(
    nullable(text({ examples: ["meta.next_cursor", "last.id"] })),
    NOTHING,
    "Where a page says what the next one is asked for by: a path in it, or last. and a field of its last record.",
  ),
} as const;

const ENDPOINT_KEYS = {
  path: needed(
    text({ examples: ["/v1/charges"] }),
    "Behind url; {field} stands for one of `each`.",
  ),
  params: optional(plainMap(), {}, "Parameters of every request."),
  records: optional(
    nullable(text({ examples: ["data", "result.items"] })),
    NOTHING,
    "Where the records are: a path in the answer. Default: the answer itself.",
  ),
  pages: optional(nullable(object(PAGES_KEYS)), null, "How there is more than one page."),
  cursor: optional(
    nullable(text({ examples: ["updated_at"] })),
    NOTHING,
    "A field that grows: only what is not older than the greatest that was seen is asked for.",
  ),
  cursor_param: optional(
    nullable(text({ examples: ["updated_since"] })),
    NOTHING,
    "The parameter that the cursor is asked by.",
  ),
  overlap: optional(duration(), 0, "How far before the greatest cursor it is asked again."),
  key: optional(
    nullable(text({ examples: ["id"] })),
    NOTHING,
    "A field that names a record: one that comes again unchanged within the overlap is not landed again.",
  ),
  each: optional(
    nullable(text({ examples: ["customers"] })),
    NOTHING,
    "Another endpoint of this source: this one is asked once for each of its records.",
  ),
} as const;

export type ApiEndpoint = Values<typeof ENDPOINT_KEYS> & { readonly name: string };
export type ApiPages = Values<typeof PAGES_KEYS>;
export type ApiAuth = Values<typeof AUTH_KEYS>;

const KEYS = {
  url: needed(
    text({
      check: (url) => (/^https?:\/\//.test(url) ? null : "an address that begins with https://"),
      examples: ["https://api.example.com"],
    }),
    "What every path stands behind.",
  ),
  auth: optional(nullable(object(AUTH_KEYS)), null, "How it is told who asks."),
  headers: optional(plainMap(), {}, "Headers of every request."),
  every: optional(duration(), EVERY_MS, "How often it is asked, by `tarn up`."),
  pages_max: optional(integer({ min: 1, max: PAGES_MAX }), PAGES_MAX, "Pages of one run at most."),
  endpoints: needed(endpointList(), "What is asked for, by the names of the tables."),
} as const;

export const API_SETTINGS = object(KEYS);
export type ApiSettings = Values<typeof KEYS>;

/** A map as plain data: settings go to another process as JSON. */
function plainMap(): Shape<Readonly<Record<string, string>>> {
  const map = mapOf(text({}));
  return {
    get schema() {
      return map.schema;
    },
    read: (value, cursor) => {
      const read = map.read(value, cursor);
      return read === undefined ? undefined : Object.fromEntries(read);
    },
    spell: () => ({}),
  };
}

function endpointList(): Shape<readonly ApiEndpoint[]> {
  const check = (name: string): string | null =>
    /^[A-Za-z_]\w*$/.test(name) ? null : `"${name}" cannot name a table`;
  const map = mapOf(object(ENDPOINT_KEYS), check);
  return {
    get schema() {
      return map.schema;
    },
    read: (value, cursor) => {
      if (!isRecord(value) || Object.keys(value).length === 0) {
        return report(cursor, "an api needs endpoints", "charges: { path: /v1/charges }");
      }
      const read = map.read(value, cursor);
      if (read === undefined) return undefined;
      const endpoints = [...read].map(([name, given]) => ({ ...given, name }));
      for (const endpoint of endpoints) refuseEndpoint(endpoint, endpoints, cursor);
      return endpoints;
    },
    spell: () => ({}),
  };
}

function refuseEndpoint(
  { name, each, path, pages, cursor: field, cursor_param: param }: ApiEndpoint,
  all: readonly ApiEndpoint[],
  cursor: Cursor,
): void {
  const at = below(cursor, name);
  if (each !== null && !all.some((one) => one.name === each && one.each === null)) {
    report(below(at, "each"), `"${each}" is no endpoint here that is asked once`);
  }
  if (each === null && path.includes("{")) {
    report(below(at, "path"), "a path with {field} needs each", "each: customers");
  }
  if (pages?.style === "cursor" && pages.next === null) {
    const hint = "next: meta.next_cursor, or last.id";
    report(below(at, "pages"), "pages of style cursor need next", hint);
  }
  if (param !== null && field === null) {
    report(below(at, "cursor_param"), "cursor_param means nothing without cursor");
  }
}
