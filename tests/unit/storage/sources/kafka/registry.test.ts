/** Asking a schema registry that misbehaves: each schema once, patiently, and nothing is taken for what it is not. */

import { expect, setDefaultTimeout, test } from "bun:test";
import { systemClock, systemRandom } from "../../../../../cmd/clock.ts";
import {
  RegistryClient,
  Schemas,
  schemaIdOf,
} from "../../../../../storage/sources/kafka/registry.ts";

setDefaultTimeout(120_000);

type Answer = (path: string, request: Request) => Response | null;

/** A server that answers as it is told to, one answer after the other, and then as `rest` does. */
function serve(rest: Answer, ...first: readonly Answer[]) {
  const left = [...first];
  const asked: string[] = [];
  const server = Bun.serve({
    port: 0,
    hostname: "127.0.0.1",
    fetch: (request) => {
      const { pathname, search } = new URL(request.url);
      asked.push(`${pathname}${search}`);
      const answer = (left.shift() ?? rest)(pathname, request);
      return answer ?? Response.json({ error_code: 40_403, message: "no schema" }, { status: 404 });
    },
  });
  const settings = {
    url: `http://127.0.0.1:${server.port}/`,
    user: null,
    password: null,
    token: null,
    tls_ca: null,
  };
  const notices: string[] = [];
  const notice = (text: string): void => void notices.push(text);
  const world = { clock: systemClock, random: systemRandom, notice };
  const client = new RegistryClient(settings, null, (url, how) => Bun.fetch(url, how));
  return {
    asked,
    notices,
    settings,
    schemas: new Schemas(client, world),
    client,
    [Symbol.dispose]: () => void server.stop(true),
  };
}

const never = new AbortController().signal;
const one: Answer = (path) =>
  path === "/schemas/ids/7" ? Response.json({ schema: '"string"' }) : null;

test("a schema is asked for once, whatever its subject becomes; what is in none is asked for later", async () => {
  using server = serve(one);
  const { schemas, asked } = server;
  const found = { id: 7, type: "avro", text: '"string"', references: [] } as const;
  expect(await schemas.of([7, 8], never)).toEqual([found]);
  expect(await schemas.of([8, 7], never)).toEqual([found]);
  expect(asked).toEqual(["/schemas/ids/7", "/schemas/ids/8"]);
});

test("what a schema refers to comes along, what that refers to first, though its subject is deleted", async () => {
  const reference = (name: string) => ({ name, subject: `${name} subject`, version: 2 });
  const answers: Readonly<Record<string, object>> = {
    "/schemas/ids/1": {
      schema: "root",
      schemaType: "PROTOBUF",
      references: [reference("b.proto"), reference("a.proto")],
    },
    "/subjects/a.proto%20subject/versions/2": { schema: "a", references: [reference("c.proto")] },
    "/subjects/b.proto%20subject/versions/2": { schema: "b", references: [reference("a.proto")] },
    "/subjects/c.proto%20subject/versions/2": { schema: "c", references: [reference("b.proto")] },
  };
  using server = serve((path) => {
    const answer = answers[path];
    return answer === undefined ? null : Response.json(answer);
  });
  const [schema] = await server.schemas.of([1], never);
  expect(schema).toMatchObject({ type: "protobuf", text: "root" });
  expect(schema?.references).toEqual([
    { name: "c.proto", text: "c" },
    { name: "a.proto", text: "a" },
    { name: "b.proto", text: "b" },
  ]);
  expect(server.asked.slice(1).every((path) => path.endsWith("?deleted=true"))).toBe(true);
});

test("E4: a registry that is down, or answers nonsense, is waited for, and that is said once", async () => {
  using server = serve(
    one,
    () => new Response("busy", { status: 503 }),
    () => new Response("<html>", { status: 200 }),
    () => new Response("", { status: 429 }),
  );
  expect(await server.schemas.of([7], never)).toHaveLength(1);
  expect(server.notices).toEqual([expect.stringContaining("answers 503: busy; waiting for it")]);
});

test("who stops does not wait for a registry that is down", async () => {
  using server = serve(() => new Response("busy", { status: 503 }));
  const stop = new AbortController();
  const waiting = server.schemas.of([7], stop.signal);
  stop.abort();
  await expect(waiting).rejects.toThrow();
});

test("another server at the address, and one that lets nobody in, are the source's failure at once", async () => {
  using other = serve(() => new Response("nothing here", { status: 404 }));
  await expect(other.schemas.of([7], never)).rejects.toMatchObject({ code: "config" });
  using closed = serve(() => new Response("who are you", { status: 401 }));
  await expect(closed.schemas.of([7], never)).rejects.toMatchObject({
    code: "config",
    hint: expect.stringContaining("password"),
  });
  expect([other.notices, closed.notices]).toEqual([[], []]);
});

test("who asks is said in the way that is configured", async () => {
  const seen: (string | null)[] = [];
  using server = serve((path, request) => {
    seen.push(request.headers.get("authorization"));
    return one(path, request);
  });
  const ask = (url: string, how: RequestInit) => Bun.fetch(url, how);
  const basic = { ...server.settings, user: "me", password: "a:b" };
  const bearer = { ...server.settings, token: "t" };
  await server.client.schema(7, never);
  await new RegistryClient(basic, null, ask).schema(7, never);
  await new RegistryClient(bearer, null, ask).schema(7, never);
  expect(seen).toEqual([null, `Basic ${btoa("me:a:b")}`, "Bearer t"]);
});

test("bytes name a schema by a mark and four bytes", () => {
  const idOf = (...bytes: readonly number[]) =>
    schemaIdOf(Uint8Array.of(7, ...bytes), 1, 1 + bytes.length);
  expect(idOf(0, 0, 0, 1, 2, 9)).toBe(258);
  expect(idOf(0, 255, 255, 255, 255)).toBe(4_294_967_295);
  expect(idOf(0, 0, 0, 1)).toBeNull();
  expect(idOf(1, 0, 0, 0, 1)).toBeNull();
  expect(schemaIdOf(Uint8Array.of(0, 0, 0, 0, 1), -1, -1)).toBeNull();
});
