/** A file that is packed as it is written. */

import { once } from "node:events";
import { createGzip, createZstdCompress } from "node:zlib";
import type { FileSink, Packing } from "./output-file.ts";

/** Written as it is packed; whoever writes waits for the disk. */
export function packedSink(file: FileSink, packing: Packing): FileSink {
  const packer = packing === "gzip" ? createGzip() : createZstdCompress();
  const pumped = (async () => {
    for await (const chunk of packer) {
      const bytes: Uint8Array = chunk;
      await file.write(bytes);
    }
  })();
  // Whoever writes next, or closes, hears of it.
  pumped.catch(() => undefined);
  return {
    async write(data) {
      if (!packer.write(data)) await Promise.race([once(packer, "drain"), pumped]);
    },
    async close() {
      packer.end();
      await pumped;
      await file.close();
    },
    async discard() {
      packer.destroy();
      await file.discard();
    },
  };
}
