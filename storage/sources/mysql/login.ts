/** How one logs in: answers to the challenges of the plugins that servers ask with. */

import { constants, createHash, publicEncrypt } from "node:crypto";
import { refusal } from "../source-failure.ts";
import { Fields, PACKET, type PacketSocket } from "./packets.ts";

export interface Login {
  readonly user: string;
  readonly password: string;
  /** Nobody else reads what is sent. */
  readonly isPrivate: boolean;
}

const NONCE_BYTES = 20;
/** What follows the byte of "more" in `caching_sha2_password`. */
const FAST_DONE = 3;
const ASK_KEY = 2;
const ASK_NATIVE = "mysql_native_password";
const ASK_SHA2 = "caching_sha2_password";
const ASK_CLEAR = "mysql_clear_password";

/** The first answer to the challenge of a plugin. Throws LakeError for a plugin that is not known here. */
export function answerTo(plugin: string, nonce: Uint8Array, login: Login): Uint8Array {
  const { password } = login;
  switch (plugin) {
    case ASK_NATIVE:
      return password === "" ? new Uint8Array() : nativeAnswer(password, nonce);
    case ASK_SHA2:
      return password === "" ? new Uint8Array() : sha2Answer(password, nonce);
    case ASK_CLEAR:
      if (login.isPrivate) return zeroEnded(password);
      throw refusal(
        "config",
        "the server asks for the password as it is, over a connection that anybody can read",
        "tls: require, or another plugin for the user",
      );
    default:
      throw refusal(
        "unsupported",
        `the server asks ${login.user} to log in by the plugin ${plugin}`,
        "let the user log in by mysql_native_password or caching_sha2_password",
      );
  }
}

/** Goes on until the server lets one in. Throws ServerError where it does not. */
export async function logIn(
  packets: PacketSocket,
  plugin: string,
  nonce: Uint8Array,
  login: Login,
): Promise<void> {
  let asked = { plugin, nonce };
  for (;;) {
    await packets.packet();
    const { bytes, start, end } = packets;
    const type = bytes[start];
    if (type === PACKET.ok) return;
    if (type === PACKET.eof) {
      const fields = new Fields(bytes, start + 1, end);
      const name = fields.left === 0 ? "mysql_old_password" : fields.text();
      asked = { plugin: name, nonce: fields.rest().slice(0, NONCE_BYTES) };
      packets.answer(answerTo(asked.plugin, asked.nonce, login));
    } else if (type === PACKET.more && asked.plugin === ASK_SHA2) {
      const more = bytes.slice(start + 1, end);
      if (more[0] === FAST_DONE && more.length === 1) continue;
      packets.answer(fullAnswer(more, asked.nonce, login));
    } else throw new Error(`an answer of type ${type} while logging in`);
  }
}

/** The server does not have the password in memory: it is told it, so that nobody else reads it. */
function fullAnswer(more: Uint8Array, nonce: Uint8Array, login: Login): Uint8Array {
  if (login.isPrivate) return zeroEnded(login.password);
  if (more.length === 1) return Uint8Array.of(ASK_KEY);
  const key = new TextDecoder().decode(more);
  const hidden = zeroEnded(login.password).map((byte, at) => byte ^ (nonce[at % NONCE_BYTES] ?? 0));
  return publicEncrypt({ key, padding: constants.RSA_PKCS1_OAEP_PADDING }, hidden);
}

function nativeAnswer(password: string, nonce: Uint8Array): Uint8Array {
  const once = hash("sha1", new TextEncoder().encode(password));
  return xor(once, hash("sha1", nonce, hash("sha1", once)));
}

function sha2Answer(password: string, nonce: Uint8Array): Uint8Array {
  const once = hash("sha256", new TextEncoder().encode(password));
  return xor(once, hash("sha256", hash("sha256", once), nonce));
}

function hash(algorithm: string, ...parts: readonly Uint8Array[]): Uint8Array {
  const hasher = createHash(algorithm);
  for (const part of parts) hasher.update(part);
  return hasher.digest();
}

function xor(left: Uint8Array, right: Uint8Array): Uint8Array {
  return left.map((byte, at) => byte ^ (right[at] ?? 0));
}

function zeroEnded(text: string): Uint8Array {
  return new TextEncoder().encode(`${text}\0`);
}
