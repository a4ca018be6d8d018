/** Places in the write-ahead log of a server, and its clock: how they are written, compared and sorted. */

import { LakeError } from "../../../core/base/errors.ts";

/** Microseconds between 1970 and 2000, where the server's clock begins. */
const EPOCH_US = 946_684_800_000_000n;
const HIGH_BITS = 32n;
const LOW_MASK = 0xffff_ffffn;
const SORTABLE_DIGITS = 16;

/** Reads `16/B374D848`. Throws `corrupt`. */
export function parseLsn(text: string): bigint {
  const match = /^([0-9A-F]{1,8})\/([0-9A-F]{1,8})$/i.exec(text);
  if (match === null) throw new LakeError("corrupt", `"${text}" is no place in the log`);
  return (BigInt(`0x${match[1]}`) << HIGH_BITS) | BigInt(`0x${match[2]}`);
}

/** Writes a place as the server does. */
export function formatLsn(lsn: bigint): string {
  const half = (value: bigint) => value.toString(16).toUpperCase();
  return `${half(lsn >> HIGH_BITS)}/${half(lsn & LOW_MASK)}`;
}

/** Writes a place as text that sorts as the log is ordered. */
export function sortableLsn(lsn: bigint): string {
  return lsn.toString(16).toUpperCase().padStart(SORTABLE_DIGITS, "0");
}

/** Microseconds since 1970 of a time of the server's. */
export function fromServerUs(serverUs: bigint): bigint {
  return serverUs + EPOCH_US;
}

/** The server's time of milliseconds since 1970. */
export function toServerUs(ms: number): bigint {
  return BigInt(Math.trunc(ms)) * 1_000n - EPOCH_US;
}
