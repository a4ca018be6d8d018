/** Asks the running engine to do a command's work: same output, same exit code. */

import { realpathSync } from "node:fs";
import { connect } from "node:net";
import { resolve } from "node:path";
import type { ArgsDef } from "citty";
import { LakeError } from "../../core/base/errors.ts";
import { type Json, stringifyJson } from "../../core/base/json.ts";
import type { Invocation, Terminal } from "../command.ts";
import { EXIT } from "../exit.ts";
import { loadProject, requireProject } from "../project/project.ts";
import { stderr, stdout } from "../render/streams.ts";
import { wrapped } from "../render/style.ts";
import { type EngineReply, Lines, parseReply, socketPath } from "./wire.ts";

/**
 * Sends a command to the engine that holds the lease and prints what it answers; its exit code. Null when nobody
 * listens there: the holder is a command of its own, which ends soon.
 */
export async function askEngine<T extends ArgsDef>(
  invocation: Invocation<T>,
  command: string,
  args: Json,
  terminal: Terminal,
  signal: AbortSignal,
): Promise<number | null> {
  const path = await socketOf(invocation.folder);
  if (path === null) return null;
  const request = stringifyJson({
    command,
    args,
    json: terminal.json,
    quiet: terminal.quiet,
    debug: terminal.debug,
    color: terminal.style.enabled,
    width: terminal.width,
  });
  return await exchange(path, `${request}\n`, signal);
}

/** The same for a program: what the engine printed, and its exit code. Null when nobody listens. */
export async function askEngineFor(
  folder: string,
  command: string,
  args: Json,
  signal: AbortSignal,
): Promise<{ readonly code: number; readonly out: string } | null> {
  const path = await socketOf(folder);
  if (path === null) return null;
  const asked = { command, args, json: true, quiet: true, debug: false, color: false, width: 100 };
  let out = "";
  const take = (reply: Printed): void => {
    if (reply.kind === "out") out += reply.text;
  };
  const code = await exchange(path, `${stringifyJson(asked)}\n`, signal, take);
  return code === null ? null : { code, out };
}

async function socketOf(folder: string): Promise<string | null> {
  const root = realpathSync(await requireProject(resolve(folder)));
  const project = await loadProject(root, process.env);
  return project.config === null ? null : socketPath(resolve(root, project.config.warehouse));
}

type Printed = Exclude<EngineReply, { kind: "exit" }>;

function exchange(
  path: string,
  request: string,
  signal: AbortSignal,
  take: (reply: Printed) => void = print,
): Promise<number | null> {
  return new Promise((resolveCode, reject) => {
    const socket = connect(path);
    const lines = new Lines();
    let connected = false;
    let code: number | null = null;
    const stop = (): void => {
      socket.destroy();
    };
    signal.addEventListener("abort", stop);
    socket.on("connect", () => {
      connected = true;
      socket.write(request);
    });
    socket.on("data", (chunk: Uint8Array) => {
      try {
        for (const line of lines.push(chunk)) {
          const reply = parseReply(line);
          if (reply?.kind === "exit") code = reply.code;
          else if (reply !== null) take(reply);
        }
      } catch (thrown) {
        socket.destroy();
        reject(thrown);
      }
    });
    socket.on("error", () => undefined);
    socket.on("close", () => {
      signal.removeEventListener("abort", stop);
      if (code !== null) resolveCode(code);
      else if (!connected) resolveCode(null);
      else if (signal.aborted) resolveCode(EXIT.interrupted);
      else reject(goneError());
    });
  });
}

function print(reply: Printed): void {
  const stream = reply.kind === "out" ? stdout : stderr;
  const width = reply.text.startsWith("{") ? null : stream.columns();
  stream.write(width === null ? reply.text : wrapped(reply.text, width));
}

function goneError(): LakeError {
  return new LakeError("io", "the engine went away before it answered", {
    hint: "run the command again: commits are whole or not at all",
  });
}
