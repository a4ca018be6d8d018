/**
 * Places in the log of a server as numbers and texts that sort as what was read is ordered: an epoch, which counts how
 * often the log began anew (another server, a reset), the number of the file, and the byte in it.
 */

import { LakeError } from "../../../core/base/errors.ts";

const BYTE_BITS = 48n;
const FILE_BITS = 32n;
const SORTABLE_DIGITS = 24;

/** Where a server's log is. */
export interface LogPlace {
  /** Such as `binlog.000012`. */
  readonly file: string;
  readonly byte: number;
}

export function placeAt(epoch: bigint, { file, byte }: LogPlace): bigint {
  return (((epoch << FILE_BITS) | BigInt(fileNumber(file))) << BYTE_BITS) | BigInt(byte);
}

export function epochOf(place: bigint): bigint {
  return place >> (FILE_BITS + BYTE_BITS);
}

/** Bytes between two places, by the sizes of the files by their numbers. */
export function bytesBetween(from: bigint, to: bigint, sizes: ReadonlyMap<number, number>): number {
  const byteOf = (place: bigint): number => Number(BigInt.asUintN(Number(BYTE_BITS), place));
  const fileOf = (place: bigint): number =>
    Number(BigInt.asUintN(Number(FILE_BITS), place >> BYTE_BITS));
  let bytes = byteOf(to) - byteOf(from);
  for (const [file, sizeBytes] of sizes) {
    if (file >= fileOf(from) && file < fileOf(to)) bytes += sizeBytes;
  }
  return Math.max(0, bytes);
}

/** Writes a place as text that sorts. */
export function placeText(place: bigint): string {
  return place.toString(16).toUpperCase().padStart(SORTABLE_DIGITS, "0");
}

/** Reads what `placeText` wrote. Throws `corrupt`. */
export function parsePlace(text: string): bigint {
  if (!/^[0-9A-F]{24}$/.test(text)) {
    throw new LakeError("corrupt", `"${text}" is no place in the log`);
  }
  return BigInt(`0x${text}`);
}

/** The number that a file of the log ends with. */
export function fileNumber(file: string): number {
  const match = /\.(\d+)$/.exec(file);
  if (match === null) throw new LakeError("corrupt", `"${file}" is no file of a binary log`);
  return Number(match[1]);
}
