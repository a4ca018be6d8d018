/** A worker process that says by whom texts were read, with and without an engine; only tests start it. */

import { existsSync, readdirSync, writeFileSync } from "node:fs";
import type { Decoded, DecodeRequest } from "../../core/engine.ts";
import type { WorkerContext } from "../../sql/worker/context.ts";
import { runWorkerProcess } from "../../sql/worker/server.ts";

/** In place of counts: the process, and how many files it found where it was to write. */
function read({ files, staging }: DecodeRequest): Decoded {
  const left = readdirSync(staging).length;
  const none = { dialect: null, rowsLanded: 0, misfits: [], fault: null };
  return {
    files: files.map(({ name }) => {
      return { name, ...none, rowsIn: process.pid, rowsQuarantined: left };
    }),
    data: { files: [], rows: 0n },
    rejects: null,
    examples: [],
  };
}

/** `odd` is for `decode` alone; `first` dies once; both leave something behind. */
async function readText(context: WorkerContext, request: DecodeRequest): Promise<Decoded | null> {
  for (const { name, path } of request.files) {
    context.announce(name);
    const isFirst = name === "first" && !existsSync(`${path}.reached`);
    if (name !== "odd" && !isFirst) continue;
    for (const place of [`${path}.reached`, `${request.staging}/work`]) writeFileSync(place, "");
    if (name === "odd") return null;
    process.kill(process.pid, "SIGSEGV");
    await new Promise(() => {});
  }
  return read(request);
}

await runWorkerProcess({
  decode: async () => async (_context: WorkerContext, request: DecodeRequest) => read(request),
  "decode-text": async () => readText,
});
