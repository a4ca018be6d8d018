/** The engine's socket: it closes with clients connected, and what is no request is hung up on. */

import { expect, test } from "bun:test";
import { connect, type Socket } from "node:net";
import type { Session } from "../../../../cmd/open.ts";
import { EngineServer } from "../../../../cmd/serve/server.ts";
import { socketPath } from "../../../../cmd/serve/wire.ts";
import { tempFolder } from "../../../support/temp-folder.ts";

async function connected(warehouse: string): Promise<Socket> {
  const socket = connect(socketPath(warehouse));
  await new Promise<void>((resolve, reject) => {
    socket.once("connect", () => resolve());
    socket.once("error", reject);
  });
  return socket;
}

function closed(socket: Socket): Promise<void> {
  socket.on("error", () => undefined);
  return new Promise((resolve) => socket.once("close", () => resolve()));
}

test("it closes although a client is connected and says nothing", async () => {
  await using folder = await tempFolder();
  const server = await EngineServer.listen(folder.path, () => undefined);
  const socket = await connected(folder.path);
  const gone = closed(socket);
  await server.close();
  await gone;
});

test("a folder deeper than a socket's name may be is served all the same", async () => {
  await using folder = await tempFolder();
  const deep = `${folder.path}/${"d".repeat(120)}`;
  const server = await EngineServer.listen(deep, () => undefined);
  const socket = await connected(deep);
  socket.destroy();
  await server.close();
});

test("what is no request is hung up on", async () => {
  await using folder = await tempFolder();
  const server = await EngineServer.listen(folder.path, () => undefined);
  const socket = await connected(folder.path);
  const gone = closed(socket);
  socket.write("GET / HTTP/1.1\r\n\r\n");
  await gone;
  await server.close();
});

test("an unknown command is its caller's failure, with words and exit code", async () => {
  await using folder = await tempFolder();
  let wake = (): void => undefined;
  const woken = new Promise<void>((resolve) => {
    wake = resolve;
  });
  const server = await EngineServer.listen(folder.path, () => wake());
  const socket = await connected(folder.path);
  const chunks: string[] = [];
  socket.on("data", (chunk) => chunks.push(String(chunk)));
  const gone = closed(socket);
  socket.write('{"command":"nothing","args":{}}\n');
  await woken;
  // parse: a command that is not known never looks at the session
  await server.serve({} as unknown as Session); // parse: above
  await gone;
  const said = chunks.join("");
  expect(said).toContain("the engine knows no command");
  expect(said).toContain('{"kind":"exit","code":2}');
  await server.close();
});
