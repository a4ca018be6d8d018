/** What `tarn.yaml` says of a source of `kind: push`. */

import {
  duration,
  nullable,
  object,
  oneOf,
  optional,
  size,
  text,
  type Values,
} from "../../../core/config/shape.ts";

const NOTHING: string | null = null;
const BODY_BYTES_MAX = 32 * 1024 * 1024;
/** As Standard Webhooks and Stripe advise. */
const TOLERANCE_MS = 5 * 60_000;

const KEYS = {
  token: optional(
    nullable(text({ examples: [`\${PUSH_TOKEN}`] })),
    NOTHING,
    "What senders say behind `Authorization: Bearer`. Default: the lake's own token, made by `tarn up`.",
  ),
  signature: optional(
    oneOf(["none", "github", "stripe", "standard"], { hmac: "github", svix: "standard" }),
    "none",
    "How bodies are signed: github (sha256= of the body), stripe (t=,v1=) or standard (Standard Webhooks). " +
      "Signed bodies need no token.",
  ),
  secret: optional(
    nullable(text({ examples: [`\${WEBHOOK_SECRET}`] })),
    NOTHING,
    "What bodies are signed with.",
  ),
  tolerance: optional(
    duration(),
    TOLERANCE_MS,
    "How old a signature with a time in it may be, and how far in the future.",
  ),
  max_body: optional(size(), BODY_BYTES_MAX, "Bytes of one body at most."),
} as const;

export const PUSH_SETTINGS = object(KEYS);
export type PushSettings = Values<typeof KEYS>;
