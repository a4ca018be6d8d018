/** The expendable process: how this program starts itself as one, and which handler answers which operation. */

import { join } from "node:path";
import { LakeError } from "../core/base/errors.ts";
import { NATIVE_FILES } from "../sql/duckdb/native-files.ts";
import { type Handlers, runWorkerProcess as run } from "../sql/worker/server.ts";
import { BUILD } from "./version.ts";

/**
 * The program and its arguments; the build goes along, so that a binary that was replaced under a running engine
 * is noticed. Only the binary has native files inside.
 */
export function workerCommand(): string[] {
  return [...selfCommand(), "__worker", BUILD];
}

/** What starts this program again. */
export function selfCommand(): string[] {
  const program = NATIVE_FILES === null ? [join(import.meta.dir, "main.ts")] : [];
  return [process.execPath, ...program];
}

/** Serves the engine on the socket it handed over, until the engine goes away. */
export function runWorkerProcess(build: string | undefined): Promise<never> {
  return run(HANDLERS, build === BUILD ? null : replaced(build));
}

/** Each is loaded with its first request: a worker that decodes builds no models, and the other way round. */
const HANDLERS: Handlers = {
  probe: async () => (await import("../sql/worker/probe.ts")).probe,
  inspect: async () => (await import("../sql/decode/decode.ts")).inspect,
  decode: async () => (await import("../sql/decode/decode.ts")).decode,
  "decode-text": async () => (await import("../sql/decode/whole-text.ts")).decodeWholeText,
  "decode-ahead": async () => (await import("../sql/decode/segment/ahead.ts")).takeEarly,
  "forget-ahead": async () => (await import("../sql/decode/segment/ahead.ts")).forgetEarly,
  aside: async () => (await import("../sql/query/aside.ts")).aside,
  "row-texts": async () => (await import("../sql/decode/row-texts.ts")).rowTexts,
  analyze: async () => (await import("../sql/analysis/analyze.ts")).analyze,
  describe: async () => (await import("../sql/analysis/describe.ts")).describe,
  materialize: async () => (await import("../sql/materialize/materialize.ts")).materialize,
  rewrite: async () => (await import("../sql/write/rewrite.ts")).rewrite,
  compact: async () => (await import("../sql/write/compact.ts")).compact,
  diff: async () => (await import("../sql/diff/diff.ts")).diff,
};

function replaced(build: string | undefined): LakeError {
  return new LakeError("io", "this program was replaced by another build while it was running", {
    hint: "stop it and start it again",
    scope: "lake",
    context: { running: build ?? "unknown", installed: BUILD },
  });
}
