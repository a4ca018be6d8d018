/** Commands that change the lake: run here under the engine lease, or in the running engine over its socket. */

import type { ArgsDef } from "citty";
import { LakeError } from "../../core/base/errors.ts";
import type { Json } from "../../core/base/json.ts";
import type { Invocation, Terminal } from "../command.ts";
import { openSession, type Session } from "../open.ts";

/** One command over an open session; answers with its exit code. Arguments are plain JSON. */
export type EngineCommand<A> = (
  session: Session,
  args: A,
  terminal: Terminal,
  signal: AbortSignal,
) => Promise<number>;

/**
 * Runs a command under the lease of its own. Beside a running engine it sends the request there, under the name that
 * ENGINE_COMMANDS has for it: same output, same exit code. DESIGN, decision 6.
 */
export async function onEngine<A, T extends ArgsDef>(
  invocation: Invocation<T>,
  name: string,
  run: EngineCommand<A>,
  args: A,
): Promise<number> {
  const { terminal, signal } = invocation;
  let session: Session;
  try {
    session = await openSession(invocation, { engine: `tarn ${name}` });
  } catch (thrown) {
    if (!(thrown instanceof LakeError) || thrown.code !== "locked") throw thrown;
    const { askEngine } = await import("./client.ts");
    const plain = args as unknown as Json; // parse: engine commands take plain JSON
    const answer = await askEngine(invocation, name, plain, terminal, signal);
    if (answer === null) throw thrown;
    return answer;
  }
  await using opened = session;
  return await run(opened, args, terminal, signal);
}
