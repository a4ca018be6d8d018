/** The expendable process: which handler answers which operation. */

import { LakeError } from "../core/base/errors.ts";
import { analyze } from "../sql/analysis/analyze.ts";
import { describe } from "../sql/analysis/describe.ts";
import { decode, inspect } from "../sql/decode/decode.ts";
import { diff } from "../sql/diff/diff.ts";
import { materialize } from "../sql/materialize/materialize.ts";
import { runWorkerProcess as run } from "../sql/worker/inside.ts";
import { probe } from "../sql/worker/probe.ts";
import type { Handlers } from "../sql/worker/server.ts";
import { rewrite } from "../sql/write/rewrite.ts";
import { BUILD } from "./version.ts";

/** Serves the engine on the socket it handed over, until the engine goes away. */
export function runWorkerProcess(build: string | undefined): Promise<never> {
  return run(HANDLERS, build === BUILD ? null : replaced(build));
}

const HANDLERS: Handlers = {
  probe,
  inspect,
  decode,
  analyze,
  describe,
  materialize,
  rewrite,
  diff,
};

function replaced(build: string | undefined): LakeError {
  return new LakeError("io", "this program was replaced by another build while it was running", {
    hint: "stop it and start it again",
    scope: "lake",
    context: { running: build ?? "unknown", installed: BUILD },
  });
}
