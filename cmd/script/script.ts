/** `tarn replay fix.ts`: the script runs in a process of its own, made of this same program. */

import { existsSync } from "node:fs";
import { resolve } from "node:path";
import type { ArgsDef } from "citty";
import { LakeError } from "../../core/base/errors.ts";
import type { Invocation } from "../command.ts";
import { EXIT } from "../exit.ts";
import { selfCommand } from "../worker.ts";

/** Runs a script to its end; its exit code: 0, 1 for a failed assertion or replay, 2 for a script that is none. */
export async function runScript<T extends ArgsDef>(
  invocation: Invocation<T>,
  file: string,
  dryRun: boolean,
): Promise<number> {
  const path = resolve(file);
  if (!existsSync(path)) {
    throw new LakeError("usage", `there is no script ${file}`, {
      hint: "tarn replay replays/fix.ts",
    });
  }
  const { terminal, signal, folder } = invocation;
  const options = JSON.stringify({
    path,
    folder: resolve(folder),
    dryRun,
    json: terminal.json,
    debug: terminal.debug,
    color: terminal.style.enabled,
  });
  const child = Bun.spawn([...selfCommand(), "__script", options], {
    stdin: "ignore",
    stdout: "inherit",
    stderr: "inherit",
  });
  const stop = (): void => child.kill("SIGINT");
  signal.addEventListener("abort", stop);
  const code = await child.exited;
  signal.removeEventListener("abort", stop);
  return signal.aborted ? EXIT.interrupted : code;
}
