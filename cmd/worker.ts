/** The expendable process: which handler answers which operation. */

import { runWorkerProcess as run } from "../sql/worker-process.ts";
import type { Handlers } from "../sql/worker-server.ts";

/** Serves the engine on the socket it handed over, until the engine goes away. */
export function runWorkerProcess(): Promise<never> {
  return run(HANDLERS);
}

const HANDLERS: Handlers = {};
