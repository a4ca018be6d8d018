/** Standard output and standard error, without Node's streams where nothing needs them. */

import { fstatSync, statSync, writeSync } from "node:fs";
import { devNull } from "node:os";
import { EXIT } from "../exit.ts";

/** One of the two; what is written comes out in order. A reader that has gone (`| head`) ends the process quietly. */
export interface OutputStream {
  readonly isTerminal: boolean;
  /** Columns of the terminal; null where it is none. */
  columns(): number | null;
  write(text: string): void;
}

/** What an empty pipe holds: so much is written at once and waits for no reader. pipe(7). */
const DIRECT_BYTES_MAX = 65_536;

export const stdout: OutputStream = outputStream(1, () => process.stdout);
export const stderr: OutputStream = outputStream(2, () => process.stderr);

/** Making a stream of Node's is a fifth of a cold start: it is made for a terminal, or for much or slow output. */
function outputStream(descriptor: number, open: () => NodeJS.WriteStream): OutputStream {
  let opened: NodeJS.WriteStream | null = null;
  let directBytes = 0;
  const stream = (): NodeJS.WriteStream => {
    if (opened === null) {
      opened = open();
      opened.on("error", endIfReaderGone);
    }
    return opened;
  };
  return {
    get isTerminal() {
      return isDevice(descriptor) && stream().isTTY === true;
    },
    columns: () => (isDevice(descriptor) ? (stream().columns ?? null) : null),
    write(text) {
      const bytes = Buffer.from(text);
      directBytes += bytes.length;
      const isDirect = opened === null && directBytes <= DIRECT_BYTES_MAX;
      const written = isDirect ? writeAtOnce(descriptor, bytes) : 0;
      if (written < bytes.length) stream().write(bytes.subarray(written));
    },
  };
}

/** A terminal, or some other device. */
function isDevice(descriptor: number): boolean {
  try {
    const found = fstatSync(descriptor);
    return found.isCharacterDevice() && found.rdev !== statSync(devNull).rdev;
  } catch {
    // Closed by whoever started the process.
    return false;
  }
}

/** Bytes written; fewer than all where the descriptor would have to wait, or failed. */
function writeAtOnce(descriptor: number, bytes: Uint8Array): number {
  let at = 0;
  try {
    while (at < bytes.length) at += writeSync(descriptor, bytes, at);
  } catch {
    // The stream meets the same error, and says it or waits.
  }
  return at;
}

function endIfReaderGone(thrown: Error & { code?: string }): void {
  if (thrown.code === "EPIPE") process.exit(EXIT.ok);
  throw thrown;
}
