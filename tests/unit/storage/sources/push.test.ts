/** Pushed bodies: who may send, what is read, what is landed once, and what the sender hears. */

import { expect, setDefaultTimeout, test } from "bun:test";
import { writeFileSync } from "node:fs";
import { gzipSync } from "node:zlib";
import { lakeRows } from "../../../../cmd/lake/query.ts";
import { openSession, type Session } from "../../../../cmd/open.ts";
import { must } from "../../../../core/base/assert.ts";
import { sourceReader } from "../../../../core/config/sources.ts";
import { readConfig } from "../../../../core/config.ts";
import type { HttpAnswer, HttpHandler } from "../../../../core/ingest/source-kind.ts";
import { landAll } from "../../../../core/lake.ts";
import { FORMATS } from "../../../../sql/decode/formats.ts";
import { sourceKinds } from "../../../../storage/sources/kinds.ts";
import { signatureFault } from "../../../../storage/sources/push/signature.ts";
import { tempFolder } from "../../../support/temp-folder.ts";

setDefaultTimeout(120_000);

const BYTES = new TextEncoder();
/** Bodies that wait to be landed, at most. */
const WAITING_MAX = 10_000;

function signed(body: string, headers: Readonly<Record<string, string>>, nowMs = 0) {
  const header = (name: string): string | null => headers[name] ?? null;
  return { header, body: BYTES.encode(body), nowMs };
}

test("signatures are those of the examples that GitHub and Standard Webhooks publish", () => {
  const github = {
    signature: "github",
    secret: "It's a Secret to Everybody",
    tolerance: 0,
  } as const;
  const digest = "757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17";
  const headers = { "x-hub-signature-256": `sha256=${digest}` };
  expect(signatureFault(github, signed("Hello, World!", headers))).toBeNull();
  expect(signatureFault(github, signed("Hello, World?", headers))).toContain("not that of this");
  expect(signatureFault(github, signed("Hello, World!", {}))).toContain("is missing");

  const standard = {
    signature: "standard",
    secret: "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
    tolerance: 300_000,
  } as const;
  const given = {
    "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
    "webhook-timestamp": "1614265330",
    "webhook-signature": "v1,AAAA v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
  };
  const body = '{"test": 2432232314}';
  expect(signatureFault(standard, signed(body, given, 1_614_265_330_000))).toBeNull();
  expect(signatureFault(standard, signed(body, given, 1_614_265_930_000))).toContain("too far");
  expect(signatureFault(standard, signed(`${body} `, given, 1_614_265_330_000))).not.toBeNull();
});

interface Pushed {
  ask(body: string | Uint8Array, headers?: Readonly<Record<string, string>>): Promise<HttpAnswer>;
  /** Status, rows, rows set aside and whether it had landed before, of each. */
  landed(asked: readonly Promise<HttpAnswer>[]): Promise<readonly unknown[]>;
  close(): Promise<void>;
}

async function pushed(session: Session): Promise<Pushed> {
  const kinds = await sourceKinds(["push"]);
  const { config } = readConfig(
    { sources: { clicks: { kind: "push", token: "t", max_body: "1kB" } } },
    { folderName: "x", env: {}, sources: sourceReader({ formats: FORMATS, kinds }) },
  );
  const stream = must(config?.streams[0], "one stream is configured");
  let handler: HttpHandler | null = null;
  const { io, catalog, clock, random } = session.ports;
  const source = await must(kinds.byWord.push, "there is the kind").open(stream, {
    ...{ io, catalog, clock, random, readerCommand: [], projectRoot: session.root },
    originals: await session.claims(),
    secretOf: session.secretOf,
    wake: () => {},
    notice: () => {},
    http: {
      enter: (_name, entered) => {
        handler = entered;
        return () => {};
      },
    },
  });
  const ask = (body: string | Uint8Array, headers: Record<string, string> = {}) => {
    const all = { authorization: "Bearer t", ...headers };
    const bytes = typeof body === "string" ? BYTES.encode(body) : body;
    const asked = { headers: new Map(Object.entries(all)), body: bytes };
    return must<HttpHandler>(handler, "the source has entered")(asked, { token: "other" });
  };
  const land = async (): Promise<void> => {
    const refresh = async (): Promise<void> => {};
    const intake = { sources: [source], unreadable: [], refresh, refreshFreed: async () => false };
    await landAll(session.ports, intake, session.settings, {
      ...{ select: null, full: false, land: true, waitForSettle: false, batchBytes: 1_000_000 },
      signal: new AbortController().signal,
      onEvent: () => {},
    });
  };
  const landed = async (asked: readonly Promise<HttpAnswer>[]) => {
    // What is known at once is answered; the others wait for the next commit.
    await Promise.resolve();
    while (source.waitingMs() === null) await clock.sleep(1);
    await land();
    return (await Promise.all(asked)).map(({ status, body }) => [
      status,
      body.rows,
      body.quarantined,
      body.again,
    ]);
  };
  return { ask, landed, close: () => source.close() };
}

test("E6: a body is landed once and acknowledged with what became of it", async () => {
  await using folder = await tempFolder();
  writeFileSync(`${folder.path}/tarn.yaml`, "project: pushed\n");
  await using session = await openSession(
    { folder: folder.path, args: { threads: "1" } },
    { engine: "test" },
  );
  const { ask, landed, close } = await pushed(session);
  const key = { "idempotency-key": "one" };
  const first = [
    ask('{"n":1}\n{"n":2}\nnot json\n', key),
    ask('{"n":1}\n{"n":2}\nnot json\n', key),
    ask(gzipSync("n\n3\n"), { "content-type": "text/csv", "content-encoding": "gzip" }),
    ask('{"n":4}', { "ce-id": "e", "ce-type": "made", "content-type": "application/json" }),
  ];
  const other = ask('{"n":7}', key);
  expect((await other).status).toBe(422);
  expect(await landed(first)).toEqual([
    [200, 2, 1, false],
    [200, 2, 1, false],
    [200, 1, 0, false],
    [200, 1, 0, false],
  ]);
  const again = await ask('{"n":1}\n{"n":2}\nnot json\n', key);
  expect([again.status, again.body.again]).toEqual([200, true]);
  const statuses = [
    (await ask('{"n":9}', key)).status,
    (await ask("{}", { authorization: "Bearer other" })).status,
    (await ask("{}", { "content-type": "image/png" })).status,
    (await ask("{}", { "content-encoding": "br" })).status,
    (await ask("x".repeat(1_001))).status,
    (await ask("{}", { "idempotency-key": "" })).status,
  ];
  expect(statuses).toEqual([422, 401, 415, 415, 413, 400]);
  const rows = await lakeRows(
    session,
    "select n, id, data.n as inner from bronze.clicks order by all",
  );
  expect(rows).toEqual([
    { n: 1, id: null, inner: null },
    { n: 2, id: null, inner: null },
    { n: 3, id: null, inner: null },
    { n: null, id: "e", inner: 4 },
  ]);
  const open = ask('{"n":10}');
  await session.ports.clock.sleep(1);
  await close();
  expect((await open).status).toBe(503);
});

test("E7: who sends faster than is landed is told to come back, and nothing of it waits in memory", async () => {
  await using folder = await tempFolder();
  writeFileSync(`${folder.path}/tarn.yaml`, "project: pushed\n");
  await using session = await openSession(
    { folder: folder.path, args: { threads: "1" } },
    { engine: "test" },
  );
  const { ask, close } = await pushed(session);
  const waiting = Array.from({ length: WAITING_MAX }, () => ask("{}"));
  const refused = await ask("{}");
  expect([refused.status, refused.headers["retry-after"]]).toEqual([429, "1"]);
  await close();
  const statuses = new Set((await Promise.all(waiting)).map(({ status }) => status));
  expect([...statuses]).toEqual([503]);
});
