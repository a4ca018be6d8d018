/** Writes drops the way a careful sender does: streamed under a hidden name, then renamed into place. */

import { createWriteStream } from "node:fs";
import { mkdir, rename, utimes } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { constants, createGzip } from "node:zlib";

/** Seconds in the past that a finished file is dated, so that nobody has to wait until it has settled. */
const SETTLED_SECONDS = 10;
const CHUNK_CHARS = 1 << 18;

/** Streams lines into a file; `.gz` names are compressed. Returns the number of lines. */
export async function writeLines(path: string, lines: Iterable<string>): Promise<number> {
  let count = 0;
  function* chunks(): Generator<string> {
    let chunk = "";
    for (const line of lines) {
      count += 1;
      chunk += `${line}\n`;
      if (chunk.length < CHUNK_CHARS) continue;
      yield chunk;
      chunk = "";
    }
    if (chunk !== "") yield chunk;
  }
  await inPlace(path, async (hidden) => {
    const source = Readable.from(chunks());
    const sink = createWriteStream(hidden);
    if (!path.endsWith(".gz")) await pipeline(source, sink);
    else await pipeline(source, createGzip({ level: constants.Z_BEST_SPEED }), sink);
  });
  return count;
}

/** Writes a whole file. */
export async function writeWhole(path: string, bytes: Uint8Array): Promise<void> {
  await inPlace(path, async (hidden) => {
    await Bun.write(hidden, bytes);
  });
}

async function inPlace(path: string, write: (hidden: string) => Promise<void>): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  const hidden = join(dirname(path), `.${basename(path)}.part`);
  await write(hidden);
  const finishedAt = Date.now() / 1_000 - SETTLED_SECONDS;
  await utimes(hidden, finishedAt, finishedAt);
  await rename(hidden, path);
}
