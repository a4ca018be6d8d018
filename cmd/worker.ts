/** The expendable process: which handler answers which operation. */

import { join } from "node:path";
import { LakeError } from "../core/base/errors.ts";
import { analyze } from "../sql/analyze.ts";
import { describe } from "../sql/describe.ts";
import { materialize } from "../sql/materialize.ts";
import { probe } from "../sql/probe.ts";
import type { Handler } from "../sql/worker-context.ts";
import { runWorkerProcess as run } from "../sql/worker-process.ts";
import type { Handlers } from "../sql/worker-server.ts";
import { BUILD } from "./version.ts";

/** Serves the engine on the socket it handed over, until the engine goes away. */
export function runWorkerProcess(build: string | undefined): Promise<never> {
  return run(HANDLERS, build === BUILD ? null : replaced(build));
}

const HANDLERS: Handlers = {
  probe,
  inspect: later("decode", "inspect"),
  decode: later("decode", "decode"),
  analyze,
  describe,
  materialize,
  rewrite: later("rewrite", "rewrite"),
  diff: later("diff", "diff"),
};

function replaced(build: string | undefined): LakeError {
  return new LakeError("io", "this program was replaced by another build while it was running", {
    hint: "stop it and start it again",
    context: { running: build ?? "unknown", installed: BUILD },
  });
}

function later(file: string, name: string): Handler<never, unknown> {
  return async (context, request) => {
    const module = await import(join(import.meta.dir, "..", "sql", `${file}.ts`));
    return module[name](context, request);
  };
}
