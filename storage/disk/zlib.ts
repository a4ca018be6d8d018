/** zlib, loaded at its first use: importing it is a tenth of a cold start, and most starts decompress nothing. */

/** Node's module, typed. */
export function zlib(): typeof import("node:zlib") {
  return process.getBuiltinModule("node:zlib");
}
