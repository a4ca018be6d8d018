/** The lake's socket: requests of other processes to the running engine, as JSON lines. */

import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Json } from "../../core/base/json.ts";
import { isJsonObject, parseJson } from "../../core/base/json.ts";
import { sha256Hex } from "../../core/base/sha256.ts";

/** Beside the catalog, mode 0600: whoever can open it could open the lake too. */
export const SOCKET_FILE = ".engine.sock";
/** One line is one message; a request names files and selectors, not data. */
export const LINE_CHARS_MAX = 4 * 1024 * 1024;
/** Bytes that the address of a socket may have, with room for the end. unix(7): 108. */
const SOCKET_PATH_BYTES_MAX = 100;

/**
 * The socket of a lake: in its folder, or where that name is too long for a socket, in a private folder of the
 * system's temporary one, under the hash of the lake's path.
 */
export function socketPath(warehouse: string): string {
  const inside = join(warehouse, SOCKET_FILE);
  if (Buffer.byteLength(inside) <= SOCKET_PATH_BYTES_MAX) return inside;
  const folder = join(tmpdir(), `lake-${process.getuid?.() ?? 0}`);
  return join(folder, `${sha256Hex(warehouse).slice(0, 32)}.sock`);
}

export interface EngineRequest {
  readonly command: string;
  readonly args: Json;
  /** How the asking terminal wants its words. */
  readonly json: boolean;
  readonly quiet: boolean;
  readonly debug: boolean;
  readonly color: boolean;
  readonly width: number;
}

export type EngineReply =
  | { readonly kind: "out"; readonly text: string }
  | { readonly kind: "err"; readonly text: string }
  | { readonly kind: "exit"; readonly code: number };

/** Splits a byte stream into lines; a line over the limit ends it. */
export class Lines {
  readonly #decoder = new TextDecoder();
  #rest = "";

  /** The complete lines so far. Throws RangeError for a line that is too long. */
  push(chunk: Uint8Array): string[] {
    this.#rest += this.#decoder.decode(chunk, { stream: true });
    const lines = this.#rest.split("\n");
    const isLong = lines.some((line) => line.length > LINE_CHARS_MAX);
    if (isLong) throw new RangeError("a line is too long");
    this.#rest = lines.pop() ?? "";
    return lines;
  }
}

/** A request that came over the socket, or null when it is not one. */
export function parseRequest(line: string): EngineRequest | null {
  const value = parsed(line);
  if (!isJsonObject(value) || typeof value.command !== "string") return null;
  return {
    command: value.command,
    args: value.args ?? null,
    json: value.json === true,
    quiet: value.quiet === true,
    debug: value.debug === true,
    color: value.color === true,
    width: typeof value.width === "number" ? value.width : 100,
  };
}

export function parseReply(line: string): EngineReply | null {
  const value = parsed(line);
  if (!isJsonObject(value)) return null;
  if (value.kind === "exit" && typeof value.code === "number") {
    return { kind: "exit", code: value.code };
  }
  if ((value.kind === "out" || value.kind === "err") && typeof value.text === "string") {
    return { kind: value.kind, text: value.text };
  }
  return null;
}

function parsed(line: string): Json {
  try {
    return parseJson(line);
  } catch {
    return null;
  }
}
