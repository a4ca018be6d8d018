/** The expendable process: which handler answers which operation. */

import { join } from "node:path";
import { probe } from "../sql/probe.ts";
import type { Handler } from "../sql/worker-context.ts";
import { runWorkerProcess as run } from "../sql/worker-process.ts";
import type { Handlers } from "../sql/worker-server.ts";

/** Serves the engine on the socket it handed over, until the engine goes away. */
export function runWorkerProcess(): Promise<never> {
  return run(HANDLERS);
}

const HANDLERS: Handlers = {
  probe,
  inspect: later("decode", "inspect"),
  decode: later("decode", "decode"),
  analyze: later("analyze", "analyze"),
  describe: later("describe", "describe"),
  materialize: later("materialize", "materialize"),
  rewrite: later("rewrite", "rewrite"),
  diff: later("diff", "diff"),
};

function later(file: string, name: string): Handler<never, unknown> {
  return async (context, request) => {
    const module = await import(join(import.meta.dir, "..", "sql", `${file}.ts`));
    return module[name](context, request);
  };
}
