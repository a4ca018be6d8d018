/** Commands that change the lake: run here under the engine lease, or in the running engine over its socket. */

import type { ArgsDef } from "citty";
import { LakeError } from "../../core/base/errors.ts";
import type { Json } from "../../core/base/json.ts";
import type { Invocation, Terminal } from "../command.ts";
import { openSession, type Session } from "../open.ts";
import { askEngine } from "./client.ts";
import type { ENGINE_COMMANDS } from "./engine-commands.ts";

/** One command over an open session; answers with its exit code. Arguments are plain JSON. */
export type EngineCommand<A> = (
  session: Session,
  args: A,
  terminal: Terminal,
  signal: AbortSignal,
) => Promise<number>;

export type EngineCommandName = keyof typeof ENGINE_COMMANDS;
type ArgsOf<N extends EngineCommandName> = Parameters<(typeof ENGINE_COMMANDS)[N]>[1];

/**
 * Runs a command under the lease of its own. Beside a running engine it sends the request there: same output, same
 * exit code. DESIGN, decision 6.
 */
export async function onEngine<N extends EngineCommandName, T extends ArgsDef>(
  invocation: Invocation<T>,
  name: N,
  args: ArgsOf<N>,
): Promise<number> {
  const { terminal, signal } = invocation;
  let session: Session;
  try {
    session = await openSession(invocation, { engine: `tarn ${name}` });
  } catch (thrown) {
    if (!(thrown instanceof LakeError) || thrown.code !== "locked") throw thrown;
    const plain = args as unknown as Json; // parse: engine commands take plain JSON
    const answer = await askEngine(invocation, name, plain, terminal, signal);
    if (answer === null) throw thrown;
    return answer;
  }
  await using opened = session;
  const { ENGINE_COMMANDS } = await import("./engine-commands.ts");
  const run = ENGINE_COMMANDS[name] as EngineCommand<ArgsOf<N>>; // parse: same name
  return await run(opened, args, terminal, signal);
}
