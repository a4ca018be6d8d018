/** Logging in: PLAIN of RFC 4616, SCRAM of RFC 5802 and RFC 7677. */

import { createHash, createHmac, pbkdf2Sync, randomBytes, timingSafeEqual } from "node:crypto";

/** What is said to the broker, one after the other; what it answers comes back in. Throws Error, worded. */
export type Login = Generator<Buffer, void, Buffer>;

export interface Credentials {
  readonly user: string;
  readonly password: string;
}

const NONCE_BYTES = 24;
/** A broker asks for 4096; one that asks for a million takes a second of ours. */
const ITERATIONS_MAX = 1_000_000;

export function* plainLogin({ user, password }: Credentials): Login {
  yield Buffer.from(`\0${user}\0${password}`);
}

export function* scramLogin(hash: "sha256" | "sha512", { user, password }: Credentials): Login {
  const nonce = randomBytes(NONCE_BYTES).toString("base64");
  const name = user.normalize("NFKC").replaceAll("=", "=3D").replaceAll(",", "=2C");
  const bare = `n=${name},r=${nonce}`;
  const first = (yield Buffer.from(`n,,${bare}`)).toString();
  const { r: whole = "", s: salt = "", i: count = "" } = attributes(first);
  const iterations = Number(count);
  if (!whole.startsWith(nonce) || whole === nonce)
    throw new Error("the broker's nonce is not ours");
  if (!Number.isInteger(iterations) || iterations < 1 || iterations > ITERATIONS_MAX) {
    throw new Error(`the broker asks for ${count} iterations`);
  }
  const size = hash === "sha256" ? 32 : 64;
  const secret = password.normalize("NFKC");
  const salted = pbkdf2Sync(secret, Buffer.from(salt, "base64"), iterations, size, hash);
  const mac = (key: Buffer, text: string) => createHmac(hash, key).update(text).digest();
  const clientKey = mac(salted, "Client Key");
  const final = `c=biws,r=${whole}`;
  const said = `${bare},${first},${final}`;
  const signature = mac(createHash(hash).update(clientKey).digest(), said);
  const proof = clientKey.map((byte, index) => byte ^ (signature[index] ?? 0));
  const answer = (yield Buffer.from(
    `${final},p=${Buffer.from(proof).toString("base64")}`,
  )).toString();
  const shown = Buffer.from(attributes(answer).v ?? "", "base64");
  const expected = mac(mac(salted, "Server Key"), said);
  if (shown.length !== expected.length || !timingSafeEqual(shown, expected)) {
    throw new Error("the broker does not know the password itself");
  }
}

function attributes(text: string): Readonly<Record<string, string>> {
  return Object.fromEntries(text.split(",").map((part) => [part.slice(0, 1), part.slice(2)]));
}
