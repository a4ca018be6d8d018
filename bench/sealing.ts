/** A database's stream read into sealed segments in a process of its own, timed from where it is connected. */

import { rmSync } from "node:fs";
import { systemClock, systemRandom } from "../cmd/clock.ts";
import { Durable, realDisk } from "../storage/disk/durable.ts";
import type { DatabaseStream } from "../storage/sources/database-reader.ts";
import type { SealedSegment } from "../storage/sources/segment-queue.ts";
import type { StreamWorld } from "../storage/sources/table-stream.ts";
import type { Measured } from "./measure.ts";
import type { Pair } from "./rates.ts";

export const LIMITS = { bytes: 64 * 1024 * 1024, lingerMs: 20 };

/** A lake in a folder, as far as a stream knows it. */
export function worldIn(folder: string): StreamWorld {
  return {
    source: "bench",
    lakeId: systemRandom.uuid(),
    projectRoot: folder,
    durable: new Durable(realDisk, folder),
    folder: `${folder}/streams`,
    clock: systemClock,
    random: systemRandom,
    notice: () => {},
  };
}

/** Reads until a segment is the last, tells `sealed` of it, and ends the process. Segments go as they come. */
export async function sealAll(
  stream: DatabaseStream,
  isLast: (segment: SealedSegment, rows: number) => boolean,
): Promise<never> {
  // Connecting is not what is measured; the peer does it in milliseconds.
  const startedMs = performance.now();
  const before = process.cpuUsage();
  let rows = 0;
  for (let isOver = false; !isOver; ) {
    const segment = await stream.next(LIMITS);
    if (segment === null) throw new Error("the stream ended");
    rows += Object.values(segment.rows).reduce((sum, count) => sum + count, 0);
    if (segment.file !== null) rmSync(segment.file.path);
    isOver = isLast(segment, rows);
  }
  const ms = performance.now() - startedMs;
  const { user, system } = process.cpuUsage(before);
  await stream.close();
  console.log(JSON.stringify({ rows, ms, cpuUs: user + system }));
  process.exit(0);
}

/** What `sealAll` told in a process that was measured. */
export function sealed({ stdout, peakRssBytes }: Measured): Omit<Pair, "peerMs"> {
  return { ...JSON.parse(stdout), peakRssBytes };
}
