/** What `tarn.yaml` says of a source of `kind: kafka`. */

import {
  boolean,
  type Cursor,
  list,
  needed,
  nullable,
  object,
  oneOf,
  optional,
  report,
  text,
  type Values,
} from "../../../core/config/shape.ts";

const NOTHING: string | null = null;

const REGISTRY_KEYS = {
  url: needed(
    text({ check: checkUrl, examples: ["https://registry.example.com:8081"] }),
    "Where the schemas are: an address that answers as Confluent's registry does.",
  ),
  user: optional(nullable(text({ examples: ["reader"] })), NOTHING, "Who asks it."),
  password: optional(
    nullable(text({ examples: [`\${REGISTRY_PASSWORD}`] })),
    NOTHING,
    "The password: a variable or a secret, not the password itself.",
  ),
  token: optional(
    nullable(text({ examples: [`\${REGISTRY_TOKEN}`] })),
    NOTHING,
    "A bearer token, in place of user and password.",
  ),
  tls_ca: optional(
    nullable(text({ examples: ["certificates/registry.pem"] })),
    NOTHING,
    "File with the authorities that its certificate is checked against. Default: the system's.",
  ),
} as const;

export type RegistrySettings = Values<typeof REGISTRY_KEYS>;

const REGISTRY: RegistrySettings | null = null;

const KEYS = {
  brokers: needed(
    list(text({ check: checkBroker, examples: ["kafka.example.com:9092"] })),
    "Some of the brokers, as host:port: the others are found through them.",
  ),
  topics: needed(
    list(text({ check: checkTopic, examples: ["orders", "shop.public.*"] })),
    "Topics by their names, or globs. Those that begin with __ are the brokers' own and are not taken by a glob.",
  ),
  format: optional(
    oneOf(["json", "avro", "protobuf", "debezium", "maxwell", "dms", "canal", "text", "bytes"], {
      ndjson: "json",
    }),
    "json",
    "What a value is: a JSON object, what a schema of the registry describes, an event of a tool for change data " +
      "capture, or the column value as text or bytes.",
  ),
  registry: optional(
    nullable(object(REGISTRY_KEYS)),
    REGISTRY,
    "The schema registry: values and keys that begin with its mark (a byte 0, then a number) are what its schemas say.",
  ),
  key: optional(
    oneOf(["text", "bytes"], { string: "text", binary: "bytes" }),
    "text",
    "What a key is, which lands in _key.",
  ),
  start: optional(
    text({ check: checkStart, examples: ["earliest", "latest", "2026-01-31T00:00:00Z"] }),
    "earliest",
    "Where a topic is begun that was not read before: earliest, latest, or a time. " +
      "Topics and partitions that come later are read from their beginning.",
  ),
  on_gap: optional(
    oneOf(["stop", "continue"], { fail: "stop", skip: "continue" }),
    "stop",
    "What to do when the broker removed records that were never read: stop and say which, or go on with the oldest.",
  ),
  tls: optional(boolean(), false, "Whether connections are encrypted; certificates are checked."),
  tls_ca: optional(
    nullable(text({ examples: ["certificates/kafka.pem"] })),
    NOTHING,
    "File with the authorities that certificates are checked against. Default: the system's.",
  ),
  sasl: optional(
    oneOf(["none", "plain", "scram-sha-256", "scram-sha-512"]),
    "none",
    "How one logs in.",
  ),
  user: optional(nullable(text({ examples: ["reader"] })), NOTHING, "Who logs in."),
  password: optional(
    nullable(text({ examples: [`\${KAFKA_PASSWORD}`] })),
    NOTHING,
    "The password: a variable or a secret, not the password itself.",
  ),
} as const;

export const KAFKA_SETTINGS = object(KEYS);
export type KafkaSettings = Values<typeof KEYS>;

/** Reports settings that contradict each other. */
export function refuseSettings(settings: KafkaSettings, cursor: Cursor): void {
  const { brokers, topics, sasl, user, password, tls, tls_ca } = settings;
  if (brokers.length === 0) report(cursor, "no broker is given", "brokers: [localhost:9092]");
  if (topics.length === 0) report(cursor, "no topic is given", "topics: [orders]");
  if (sasl !== "none" && (user === null || password === null)) {
    report(cursor, `sasl: ${sasl} needs user and password`, `password: \${KAFKA_PASSWORD}`);
  }
  if (sasl === "none" && (user !== null || password !== null)) {
    report(cursor, "user and password mean nothing without sasl", "sasl: scram-sha-512");
  }
  refuseRegistry(settings, cursor);
  if (!tls && tls_ca !== null) report(cursor, "tls_ca means nothing without tls", "tls: true");
}

function refuseRegistry({ format, registry }: KafkaSettings, cursor: Cursor): void {
  if ((format === "avro" || format === "protobuf") && registry === null) {
    const hint = "registry: { url: https://registry.example.com:8081 }";
    report(cursor, `format: ${format} needs the registry that has the schemas`, hint);
  }
  if (registry === null) return;
  const { user, password, token } = registry;
  if ((user === null) !== (password === null)) {
    report(cursor, "user and password of the registry go together", null);
  }
  if (user !== null && token !== null) {
    report(cursor, "the registry is asked with a password or with a token, not with both", null);
  }
}

/** Milliseconds since 1970; null for a word. */
export function startMs(start: string): bigint | null {
  return isWord(start) ? null : BigInt(Date.parse(start));
}

function isWord(start: string): boolean {
  return start === "earliest" || start === "latest";
}

function checkStart(value: string): string | null {
  const isTime = /^\d{4}-\d\d-\d\d/.test(value) && !Number.isNaN(Date.parse(value));
  return isWord(value) || isTime ? null : "earliest, latest, or a time like 2026-01-31T00:00:00Z";
}

function checkBroker(value: string): string | null {
  const port = /^(?:\[[0-9a-fA-F:]+\]|[^:\s/]+):(\d+)$/.exec(value)?.[1];
  const isPort = port !== undefined && Number(port) >= 1 && Number(port) <= 65_535;
  return isPort ? null : "a broker is written host:port, such as localhost:9092";
}

function checkUrl(value: string): string | null {
  const url = URL.canParse(value) ? new URL(value) : null;
  if (url === null || !["http:", "https:"].includes(url.protocol)) {
    return "an address is written https://registry.example.com:8081";
  }
  return url.username === "" && url.password === "" ? null : "say user: and password: beside url:";
}

/** Topic names have letters, digits, dots, _ and -; the rest are signs of globs. */
function checkTopic(value: string): string | null {
  return value.trim() === "" || value.includes("/") ? "a topic's name or a glob is expected" : null;
}
