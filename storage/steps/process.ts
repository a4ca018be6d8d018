/** The process of one step, from the inside: it is told its task, does it, and ends when the engine does. */

import { parseJson } from "../../core/base/json.ts";
import type { Clock, Random } from "../../core/ports.ts";
import type { Ask } from "../sources/api/request.ts";
import { failureOf, outputToWire, type StepAnswer, type StepTask } from "./wire.ts";

export interface StepWorld {
  readonly clock: Pick<Clock, "nowMs" | "sleep">;
  readonly random: Pick<Random, "fraction">;
  readonly fetch: Ask;
}

/** Reads one task, a line of JSON, and answers it. What follows the line is the engine's life: its end is ours. */
export async function serveStep(
  heard: ReadableStream<Uint8Array>,
  world: StepWorld,
): Promise<string> {
  const gone = new AbortController();
  const told = new Promise<StepTask | null>((resolve) => {
    void listen(heard, resolve).finally(() => gone.abort());
  });
  const task = await told;
  if (task === null) return "";
  return JSON.stringify(await answerOf(task, world, gone.signal));
}

async function listen(
  heard: ReadableStream<Uint8Array>,
  onTask: (task: StepTask | null) => void,
): Promise<void> {
  const decoder = new TextDecoder();
  let text = "";
  let isTold = false;
  for await (const piece of heard) {
    if (isTold) continue;
    text += decoder.decode(piece, { stream: true });
    const end = text.indexOf("\n");
    if (end < 0) continue;
    isTold = true;
    // parse: the engine wrote it; both are one build
    onTask(parseJson(text.slice(0, end)) as unknown as StepTask); // parse: above
  }
  if (!isTold) onTask(null);
}

async function answerOf(
  task: StepTask,
  world: StepWorld,
  signal: AbortSignal,
): Promise<StepAnswer> {
  try {
    if (task.kind === "ask") {
      const { askAll } = await import("./ask.ts");
      const { output, ...asked } = await askAll(task, world, signal);
      return { kind: "asked", output: outputToWire(output), ...asked };
    }
    const { execute } = await import("./exec.ts");
    return { kind: "made", output: outputToWire(await execute(task, world.clock, signal)) };
  } catch (thrown) {
    return failureOf(thrown);
  }
}
