/** The engine's side of the lake's socket: requests wait here until the loop is between two batches. */

import { chmodSync, mkdirSync, rmSync } from "node:fs";
import { createServer, type Server, type Socket } from "node:net";
import { dirname } from "node:path";
import { LakeError } from "../../core/base/errors.ts";
import { stringifyJson } from "../../core/base/json.ts";
import type { Terminal } from "../command.ts";
import { EXIT, errorJson, errorReports, exitCodeOf, problemsOf } from "../exit.ts";
import type { Session } from "../open.ts";
import { createStyle } from "../render/style.ts";
import { type EngineReply, type EngineRequest, Lines, parseRequest, socketPath } from "./wire.ts";

/** Requests that wait at a time; more are told to come back. */
const WAITING_MAX = 100;
const OWNER_ONLY = 0o600;
const OWNER_FOLDER = 0o700;

interface Waiting {
  readonly request: EngineRequest;
  readonly socket: Socket;
  readonly stop: AbortController;
}

export class EngineServer {
  readonly #server: Server;
  readonly #path: string;
  readonly #waiting: Waiting[] = [];
  /** All that are connected: a server does not close while one is. */
  readonly #sockets = new Set<Socket>();
  readonly #wake: () => void;

  /** Listens on the lake's socket. Call it while holding the engine lease: a socket left behind is replaced. */
  static async listen(warehouse: string, wake: () => void): Promise<EngineServer> {
    const path = socketPath(warehouse);
    mkdirSync(dirname(path), { recursive: true, mode: OWNER_FOLDER });
    rmSync(path, { force: true });
    const engine = new EngineServer(path, wake);
    await new Promise<void>((resolve, reject) => {
      engine.#server.once("error", reject);
      engine.#server.listen(path, resolve);
    });
    chmodSync(path, OWNER_ONLY);
    return engine;
  }

  private constructor(path: string, wake: () => void) {
    this.#path = path;
    this.#wake = wake;
    this.#server = createServer((socket) => this.#accept(socket));
  }

  /** Something waits. */
  get isAsked(): boolean {
    return this.#waiting.length > 0;
  }

  /** Runs what waits, one after the other. A failed command is its caller's failure only. */
  async serve(session: Session): Promise<void> {
    for (let next = this.#waiting.shift(); next !== undefined; next = this.#waiting.shift()) {
      const code = await runRequest(session, next);
      send(next.socket, { kind: "exit", code });
      next.socket.end();
    }
  }

  async close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await new Promise<void>((resolve) => this.#server.close(() => resolve()));
    rmSync(this.#path, { force: true });
  }

  #accept(socket: Socket): void {
    const lines = new Lines();
    const stop = new AbortController();
    this.#sockets.add(socket);
    socket.on("error", () => undefined);
    socket.on("close", () => {
      this.#sockets.delete(socket);
      stop.abort();
    });
    socket.on("data", (chunk: Uint8Array) => {
      try {
        for (const line of lines.push(chunk)) this.#take(line, socket, stop);
      } catch {
        socket.destroy();
      }
    });
  }

  #take(line: string, socket: Socket, stop: AbortController): void {
    const request = parseRequest(line);
    if (request === null) {
      socket.destroy();
      return;
    }
    if (this.#waiting.length >= WAITING_MAX) {
      const busy = new LakeError("locked", `${WAITING_MAX} commands wait for the engine already`, {
        hint: "try again in a moment",
      });
      const code = remoteTerminal(request, socket).failures([busy]);
      send(socket, { kind: "exit", code });
      socket.end();
      return;
    }
    this.#waiting.push({ request, socket, stop });
    this.#wake();
  }
}

async function runRequest(session: Session, waiting: Waiting): Promise<number> {
  const { request, socket, stop } = waiting;
  if (stop.signal.aborted) return EXIT.interrupted;
  const terminal = remoteTerminal(request, socket);
  try {
    const { ENGINE_COMMANDS } = await import("./engine-commands.ts");
    const command = Object.entries(ENGINE_COMMANDS).find(([name]) => name === request.command);
    if (command === undefined) {
      throw new LakeError("usage", `the engine knows no command "${request.command}"`, {
        hint: "both must be the same version of tarn",
      });
    }
    // parse: only our own client speaks to this socket, with arguments of the command it names
    const run = (await command[1]()) as AnyCommand; // parse: see above
    return await run(session, request.args, terminal, stop.signal);
  } catch (thrown) {
    return terminal.failures(problemsOf(thrown));
  }
}

type AnyCommand = (
  session: Session,
  args: unknown,
  terminal: Terminal,
  signal: AbortSignal,
) => Promise<number>;

/** A terminal whose words go back over the socket. */
function remoteTerminal(request: EngineRequest, socket: Socket): Terminal {
  const style = createStyle(request.color);
  const { json, quiet, debug, width } = request;
  return {
    style,
    json,
    quiet,
    debug,
    width,
    interactive: false,
    line: (text) => send(socket, { kind: "out", text: `${text}\n` }),
    note: (text) => {
      if (!quiet && !json) send(socket, { kind: "err", text: `${text}\n` });
    },
    document: (value) => send(socket, { kind: "out", text: `${stringifyJson(value)}\n` }),
    failures: (thrown) => {
      const text = json
        ? thrown.map((each) => `${errorJson(each)}\n`).join("")
        : errorReports(thrown, { style, debug, readText: () => null });
      send(socket, { kind: json ? "out" : "err", text });
      return exitCodeOf(thrown[0]);
    },
  };
}

function send(socket: Socket, reply: EngineReply): void {
  if (socket.writable) socket.write(`${stringifyJson({ ...reply })}\n`);
}
