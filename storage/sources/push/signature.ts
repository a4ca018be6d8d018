/** Signatures of webhooks: whether a body is from who knows the secret, and not too old. */

import { createHmac, timingSafeEqual } from "node:crypto";
import type { PushSettings } from "./settings.ts";

export interface Signed {
  readonly header: (name: string) => string | null;
  readonly body: Uint8Array;
  readonly nowMs: number;
}

/** Null for a body that is signed as it should be; else what is wrong, for whoever sent it. */
export function signatureFault(
  settings: Pick<PushSettings, "signature" | "secret" | "tolerance">,
  signed: Signed,
): string | null {
  const { signature, secret } = settings;
  switch (signature) {
    case "none":
      return null;
    case "github": {
      const given = signed.header("x-hub-signature-256");
      if (given === null) return "the header X-Hub-Signature-256 is missing";
      return isEqual(given, `sha256=${hmac(secret ?? "", "hex", signed.body)}`) ? null : WRONG;
    }
    case "stripe": {
      const fields = fieldsOf(signed.header("stripe-signature") ?? "");
      const [time = ""] = fields.get("t") ?? [];
      const late = timeFault(time, settings.tolerance, signed.nowMs);
      if (late !== null) return late;
      const expected = hmac(secret ?? "", "hex", `${time}.`, signed.body);
      return (fields.get("v1") ?? []).some((given) => isEqual(given, expected)) ? null : WRONG;
    }
    case "standard": {
      const id = signed.header("webhook-id") ?? "";
      const time = signed.header("webhook-timestamp") ?? "";
      const late = timeFault(time, settings.tolerance, signed.nowMs);
      if (late !== null) return late;
      // The secret is Base64 behind its prefix. Standard Webhooks, "Signature scheme".
      const key = Buffer.from((secret ?? "").replace(/^whsec_/, ""), "base64");
      const expected = `v1,${hmac(key, "base64", `${id}.${time}.`, signed.body)}`;
      const given = (signed.header("webhook-signature") ?? "").split(" ");
      return given.some((one) => isEqual(one, expected)) ? null : WRONG;
    }
  }
}

/** Says nothing of how long what is the same is. */
export function isEqual(given: string, expected: string): boolean {
  const digest = (text: string): Buffer => createHmac("sha256", "equal").update(text).digest();
  return timingSafeEqual(digest(given), digest(expected));
}

const WRONG = "the signature is not that of this body";

function timeFault(time: string, toleranceMs: number, nowMs: number): string | null {
  if (!/^\d{1,12}$/.test(time)) return "the signature has no time in it";
  const isNear = Math.abs(Number(time) * 1_000 - nowMs) <= toleranceMs;
  return isNear ? null : "the time of the signature is too far from now";
}

function hmac(
  key: string | Buffer,
  encoding: "hex" | "base64",
  ...parts: readonly (string | Uint8Array)[]
): string {
  const hash = createHmac("sha256", key);
  for (const part of parts) hash.update(part);
  return hash.digest(encoding);
}

/** `t=1,v1=a,v1=b`: each name with its values. */
function fieldsOf(text: string): ReadonlyMap<string, readonly string[]> {
  const fields = new Map<string, string[]>();
  for (const part of text.split(",")) {
    const cut = part.indexOf("=");
    const name = part.slice(0, cut).trim();
    fields.set(name, [...(fields.get(name) ?? []), part.slice(cut + 1).trim()]);
  }
  return fields;
}
