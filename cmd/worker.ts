/** The expendable process: which handler answers which operation. */

import { LakeError } from "../core/base/errors.ts";
import { type Handlers, runWorkerProcess as run } from "../sql/worker/server.ts";
import { BUILD } from "./version.ts";

/** Serves the engine on the socket it handed over, until the engine goes away. */
export function runWorkerProcess(build: string | undefined): Promise<never> {
  return run(HANDLERS, build === BUILD ? null : replaced(build));
}

/** Each is loaded with its first request: a worker that decodes builds no models, and the other way round. */
const HANDLERS: Handlers = {
  probe: async () => (await import("../sql/worker/probe.ts")).probe,
  inspect: async () => (await import("../sql/decode/decode.ts")).inspect,
  decode: async () => (await import("../sql/decode/decode.ts")).decode,
  analyze: async () => (await import("../sql/analysis/analyze.ts")).analyze,
  describe: async () => (await import("../sql/analysis/describe.ts")).describe,
  materialize: async () => (await import("../sql/materialize/materialize.ts")).materialize,
  rewrite: async () => (await import("../sql/write/rewrite.ts")).rewrite,
  diff: async () => (await import("../sql/diff/diff.ts")).diff,
};

function replaced(build: string | undefined): LakeError {
  return new LakeError("io", "this program was replaced by another build while it was running", {
    hint: "stop it and start it again",
    scope: "lake",
    context: { running: build ?? "unknown", installed: BUILD },
  });
}
