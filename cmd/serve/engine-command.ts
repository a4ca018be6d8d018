/** Commands that change the lake: run here under the engine lease, or in the running engine over its socket. */

import type { ArgsDef } from "citty";
import { LakeError } from "../../core/base/errors.ts";
import type { Json } from "../../core/base/json.ts";
import type { Invocation, Terminal } from "../command.ts";
import { EXIT } from "../exit.ts";
import { openSession, type Session } from "../open.ts";

/** One command over an open session; answers with its exit code. Arguments are plain JSON. */
export type EngineCommand<A> = (
  session: Session,
  args: A,
  terminal: Terminal,
  signal: AbortSignal,
) => Promise<number>;

export interface EngineOptions {
  /** Wait until another command that has the lake has ended. */
  readonly waits?: boolean;
  /** The command itself shows what it is at. */
  readonly shows?: boolean;
}

/**
 * Runs a command under the lease of its own. Beside a running engine it sends the request there, under the name that
 * ENGINE_COMMANDS has for it: same output, same exit code. DESIGN, decision 6. Beside another command it throws
 * `locked`, or `waits` until that one has ended.
 */
export async function onEngine<A, T extends ArgsDef>(
  invocation: Invocation<T>,
  name: string,
  run: EngineCommand<A>,
  args: A,
  { waits = false, shows = false }: EngineOptions = {},
): Promise<number> {
  const { terminal, signal } = invocation;
  for (let isFirst = true; ; isFirst = false) {
    const session = await openSession(invocation, { engine: `tarn ${name}` }).catch(ifLocked);
    if (!(session instanceof LakeError)) {
      await using opened = session;
      if (shows) return await run(opened, args, terminal, signal);
      return await watched(name, terminal, (shown) => run(opened, args, shown, signal));
    }
    const { askEngine } = await import("./client.ts");
    refuseVariables(invocation.args);
    const plain = args as unknown as Json; // parse: engine commands take plain JSON
    const answer = await askEngine(invocation, name, plain, terminal, signal);
    if (answer !== null) return answer;
    if (!waits) throw session;
    if (isFirst) terminal.note(`  waits: ${session.message}`);
    await pause(signal);
    if (signal.aborted) return EXIT.interrupted;
  }
}

/** Says what is waited for where it takes longer than a moment and a person watches. */
async function watched(
  name: string,
  terminal: Terminal,
  work: (terminal: Terminal) => Promise<number>,
): Promise<number> {
  const { interactive, json, quiet, style } = terminal;
  if (!interactive || json || quiet) return await work(terminal);
  const { startProgress } = await import("../render/progress.ts");
  const { stderr } = await import("../render/streams.ts");
  const width = (): number => stderr.columns() ?? terminal.width;
  const write = (text: string): void => stderr.write(text);
  const progress = startProgress({ isTerminal: true, style, write, width });
  const message = `${name} · Ctrl-C stops when it is whole`;
  const around = (print: () => void): void => {
    progress.clear();
    print();
    progress.update(message);
  };
  progress.update(message);
  try {
    return await work({
      ...terminal,
      line: (text) => around(() => terminal.line(text)),
      note: (text) => around(() => terminal.note(text)),
    });
  } finally {
    progress.stop();
  }
}

/** What runs already read the project with its own variables. */
function refuseVariables(args: { readonly env?: unknown; readonly var?: unknown }): void {
  const flag = args.var === undefined ? args.env : args.var;
  if (flag === undefined) return;
  const word = args.var === undefined ? "--env" : "--var";
  throw new LakeError("usage", `${word} does not reach the command that has the lake`, {
    hint: "it has variables of its own: give them to it, or stop it first",
  });
}

/** How often it is tried again. */
const AGAIN_MS = 200;

function ifLocked(thrown: unknown): LakeError {
  if (thrown instanceof LakeError && thrown.code === "locked") return thrown;
  throw thrown;
}

async function pause(signal: AbortSignal): Promise<void> {
  const { setTimeout: delay } = await import("node:timers/promises");
  await delay(AGAIN_MS, undefined, { signal }).catch(() => undefined);
}
