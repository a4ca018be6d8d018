/**
 * Places in the log of a server as numbers and texts that sort as what was read is ordered: an epoch, which counts how
 * often the log began anew (another server, a reset), the number of the file, and the byte in it.
 */

import { LakeError } from "../../../core/base/errors.ts";

const BYTE_BITS = 48n;
const FILE_BITS = 32n;
const SORTABLE_DIGITS = 24;
const BYTE_DIGITS = 12;

/** Where a server's log is. */
export interface LogPlace {
  /** Such as `binlog.000012`. */
  readonly file: string;
  readonly byte: number;
}

export function placeAt(epoch: bigint, { file, byte }: LogPlace): bigint {
  return (((epoch << FILE_BITS) | BigInt(fileNumber(file))) << BYTE_BITS) | BigInt(byte);
}

/** The places of one epoch, which are in one file most of the time: what they have in common is worked out once. */
export class Places {
  readonly #epoch: bigint;
  #file = "";
  #base = 0n;
  #baseText = "";

  constructor(epoch: bigint) {
    this.#epoch = epoch;
  }

  /** As `placeAt` has it. */
  at({ file, byte }: LogPlace): bigint {
    this.#in(file);
    return this.#base | BigInt(byte);
  }

  /** As `placeText` writes it. */
  text({ file, byte }: LogPlace): string {
    this.#in(file);
    return this.#baseText + byte.toString(16).toUpperCase().padStart(BYTE_DIGITS, "0");
  }

  #in(file: string): void {
    if (file === this.#file) return;
    this.#file = file;
    this.#base = placeAt(this.#epoch, { file, byte: 0 });
    this.#baseText = placeText(this.#base).slice(0, -BYTE_DIGITS);
  }
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
