/** Rows from a pipe, spooled to a private file so that they can be claimed like any drop. */

import { createWriteStream } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Transform } from "node:stream";
import { pipeline } from "node:stream/promises";
import { LakeError } from "../../core/base/errors.ts";
import { bytesText } from "../format/numbers.ts";
import type { PipedRows } from "../lake/load.ts";

export interface Spooled extends PipedRows {
  /** The file's own, to be removed. */
  readonly folder: string;
}

/** What one pipe brings at most: it is on the disk twice until it has landed. */
const STDIN_BYTES_MAX = 64 * 1024 * 1024 * 1024;
const KEY_CHARS_MAX = 255;

/**
 * Copies stdin to a file. Its name in the ledger is that of its key, or its own where it has none. Throws `usage`, and
 * `input` for too much; what was read until the signal is gone.
 */
export async function spoolStdin(
  given: {
    readonly into: string | undefined;
    readonly key: string | undefined;
    readonly format: string | null;
  },
  signal: AbortSignal,
): Promise<Spooled> {
  const { into, key, format } = given;
  if (process.stdin.isTTY === true) {
    throw new LakeError("usage", "load - reads rows from a pipe, and there is none", {
      hint: "cat rows.csv | tarn load - --into orders --as csv",
    });
  }
  if (into === undefined) {
    throw new LakeError("usage", "rows from stdin need --into", {
      hint: "tarn load - --into orders --as csv",
    });
  }
  if (key !== undefined && (key === "" || key.length > KEY_CHARS_MAX)) {
    throw new LakeError("usage", `--key has 1 to ${KEY_CHARS_MAX} characters`, {
      hint: "tarn load - --into orders --key 2026-11-20",
    });
  }
  const folder = await mkdtemp(join(tmpdir(), "lake-stdin-"));
  try {
    const id = key === undefined ? crypto.randomUUID() : sha256().update(key).digest("hex");
    const path = join(folder, "rows");
    const hash = sha256();
    const counted = countedBytes((bytes) => hash.update(bytes));
    const sink = createWriteStream(path, { mode: 0o600 });
    await pipeline(process.stdin, counted, sink, { signal });
    const name = `stdin/${id}.${format ?? "txt"}`;
    return { folder, path, name, sha256: hash.digest("hex"), isKeyed: key !== undefined };
  } catch (thrown) {
    await rm(folder, { recursive: true, force: true });
    throw thrown;
  }
}

function sha256(): Bun.CryptoHasher {
  return new Bun.CryptoHasher("sha256");
}

function countedBytes(onBytes: (bytes: Uint8Array) => void): Transform {
  let size = 0;
  return new Transform({
    transform(bytes: Uint8Array, _encoding, done) {
      size += bytes.length;
      onBytes(bytes);
      if (size <= STDIN_BYTES_MAX) return done(null, bytes);
      const most = bytesText(STDIN_BYTES_MAX);
      done(new LakeError("input", `more than ${most} came on stdin`, { hint: "drop a file" }));
    },
  });
}
