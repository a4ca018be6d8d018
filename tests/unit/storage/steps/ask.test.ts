/** Lookups as whoever is asked behaves: answers, refusals that pass or not, pauses, and what nobody asked for. */

import { Database } from "bun:sqlite";
import { expect, test } from "bun:test";
import { join } from "node:path";
import { tableFromIPC } from "apache-arrow";
import { errorText } from "../../../../core/base/errors.ts";
import type { LookupConfig } from "../../../../core/config/lookups.ts";
import type { AskRequest } from "../../../../core/steps.ts";
import { freshSchema } from "../../../../core/table/evolution.ts";
import { LONG, STRING } from "../../../../core/table/type-text.ts";
import { loadParquetWasm } from "../../../../storage/parquet/wasm.ts";
import { rowFiles } from "../../../../storage/parquet/write.ts";
import { askAll } from "../../../../storage/steps/ask.ts";
import { tempFolder } from "../../../support/temp-folder.ts";

const KEYS = ["a", "b", "c"];

interface Tried {
  /** `key answer tier error`, a line each; or what was thrown. */
  readonly said: readonly string[];
  readonly stopped: string | null;
  readonly dueMs: number | null;
  /** Milliseconds that it waited for. */
  readonly waits: readonly number[];
}

type Answerer = (url: URL, request: Request) => Response | Promise<Response>;

/** Asks for three keys by a clock that jumps over all waits. */
async function tried(
  connection: Partial<LookupConfig>,
  asked: Partial<AskRequest>,
  keys: readonly string[] = KEYS,
  answer: Answerer = () => {
    throw new Error("connection refused");
  },
): Promise<Tried> {
  await using folder = await tempFolder();
  const columns = [
    { name: "id", type: STRING },
    { name: "_until", type: LONG },
  ];
  const path = join(folder.path, "keys.parquet");
  await rowFiles.write(
    path,
    freshSchema(columns, new Set()),
    keys.map((id) => ({ id, _until: null })),
  );
  const request: AskRequest = {
    model: "bronze.tiers",
    from: "crm",
    ask: "/tiers/{id}",
    body: null,
    items: null,
    keys: ["id"],
    numbers: [],
    columns: [{ name: "tier", type: { kind: "primitive", name: "int" } }],
    until: "_until",
    version: "v1",
    ttlMs: 3_600_000,
    retryMs: 60_000,
    batch: 1,
    inputs: [path],
    staging: folder.path,
    ...asked,
  };
  const config: LookupConfig = {
    url: "http://127.0.0.1:1",
    tls: "disable",
    tls_ca: null,
    headers: {},
    everyMs: 0,
    timeoutMs: 10_000,
    retries: 2,
    ...connection,
  };
  const waits: number[] = [];
  let nowMs = 1_000;
  const clock = {
    nowMs: () => nowMs,
    sleep: async (ms: number) => {
      waits.push(ms);
      nowMs += ms;
    },
  };
  const task = { kind: "ask" as const, request, connection: config, folder: folder.path };
  const ask = async (url: string, how: RequestInit) => answer(new URL(url), new Request(url, how));
  const world = { clock, random: { fraction: () => 0.5 }, fetch: ask };
  try {
    const done = await askAll(task, world, new AbortController().signal);
    const said: string[] = [];
    for (const file of done.output.files) {
      const wasm = await loadParquetWasm();
      const bytes = await Bun.file(file.path).bytes();
      for (const row of tableFromIPC(wasm.readParquet(bytes).intoIPCStream())) {
        said.push([row.id, row._answer, row.tier, row._error].map((one) => one ?? "-").join(" "));
      }
    }
    return { said, stopped: done.stopped, dueMs: done.dueMs, waits };
  } catch (thrown) {
    return { said: [errorText(thrown)], stopped: null, dueMs: null, waits };
  }
}

async function overHttp(
  answer: Answerer,
  asked: Partial<AskRequest> = {},
  connection: Partial<LookupConfig> = {},
): Promise<Tried> {
  return await tried({ url: "http://crm/v2", ...connection }, asked, KEYS, answer);
}

const TIERS: Answerer = ({ pathname }) =>
  pathname === "/v2/tiers/b"
    ? new Response("", { status: 404 })
    : Response.json({ tier: pathname.length });

test("HTTP: an answer a key, 404 is not_found", async () => {
  const { said } = await overHttp(TIERS);
  expect(said).toEqual(["a found 11 -", "b not_found - -", "c found 11 -"]);
});

test("HTTP: a value that is none of its type is an error of its key alone, and sooner asked again", async () => {
  const { said, dueMs } = await overHttp(({ pathname }) =>
    Response.json({ tier: pathname.endsWith("a") ? "1.5" : 2 }),
  );
  expect({ said, dueMs }).toEqual({
    said: ["a error - tier is 1.5, which is no integer", "b found 2 -", "c found 2 -"],
    dueMs: 61_000,
  });
});

test("HTTP: a refusal of a key is its answer", async () => {
  const { said } = await overHttp(() => new Response("bad id", { status: 422 }), {}, {});
  expect(said[0]).toBe("a error - HTTP 422: bad id");
});

test("HTTP: rows of many keys, posted, are dealt by key; one that is missing is not_found", async () => {
  const { said } = await overHttp(
    async (_url, request) => {
      const { ids } = (await request.json()) as { ids: string[] }; // parse: what the test posts
      return Response.json({
        data: { rows: ids.filter((id) => id !== "b").map((id) => ({ id, tier: 7 })) },
      });
    },
    { ask: "/tiers", body: '{"ids": {keys}}', items: "data.rows", batch: 10 },
  );
  expect(said).toEqual(["a found 7 -", "b not_found - -", "c found 7 -"]);
});

test("HTTP: a row that nobody asked for keeps the others; who was to have it is in error", async () => {
  const rows = [
    { id: "A", tier: 1 },
    { id: "b", tier: 2 },
  ];
  const { said } = await overHttp(() => Response.json(rows), { ask: "/tiers?ids={id}", batch: 10 });
  const error = "an answer has a row of A, which nobody asked for";
  expect(said).toEqual([`a error - ${error}`, "b found 2 -", `c error - ${error}`]);
});

test("HTTP: a row without its key is nobody's", async () => {
  const rows = [{ tier: 1 }, { id: "b", tier: 2 }];
  const { said } = await overHttp(() => Response.json(rows), { ask: "/tiers?ids={id}", batch: 10 });
  const error = "an answer has a row without id, of the key";
  expect(said).toEqual([`a error - ${error}`, "b found 2 -", `c error - ${error}`]);
});

test("HTTP: an answer of another shape is an error and not that there is none", async () => {
  const answer = { fault: "try later" };
  const { said } = await overHttp(() => Response.json(answer), { items: "data.tiers" });
  expect(said[0]).toBe("a error - the answer has no data.tiers");
});

test("HTTP: user and password of the url are sent, its query too, and neither is told", async () => {
  const seen: unknown[] = [];
  const url = "http://ann:s3cr3t%20word@crm/v2?api_key=qu3ry-s3cr3t";
  const { said } = await tried({ url }, { ask: "/tiers?id={id}" }, ["a,b"], (asked, request) => {
    const sent = request.headers.get("authorization") ?? "";
    seen.push(asked.href, sent);
    return new Response(`${asked.search} ${sent} s3cr3t word s3cr3t%20word`, { status: 422 });
  });
  const basic = `Basic ${btoa("ann:s3cr3t word")}`;
  expect({ seen, said }).toEqual({
    seen: ["http://crm/v2/tiers?id=a%2Cb&api_key=qu3ry-s3cr3t", basic],
    said: ["a,b error - HTTP 422: ?id=a%2Cb&api_key=(secret) (secret) (secret) (secret)"],
  });
});

test("HTTP: a password that is no escape is one all the same", async () => {
  const { said } = await tried({ url: "http://ann:100%25%zz@crm" }, {}, ["a"], () =>
    Response.json({ fault: 1 }, { status: 422 }),
  );
  expect(said[0]).toMatch(/^a error - HTTP 422/);
});

test("HTTP: an answer that sends to no address", async () => {
  const headers = { location: "http://" };
  const { said } = await overHttp(() => new Response("", { status: 302, headers }));
  expect(said).toEqual(["http://crm/v2/tiers/a sends on to what is no address"]);
});

test("HTTP: two rows of one key are an error of it", async () => {
  const { said } = await overHttp(() => Response.json([{ tier: 1 }, { tier: 2 }]));
  expect(said[0]).toBe("a error - there are 2 rows of it, and an answer is one");
});

test("HTTP: failures that pass are tried again, at random within waits that double", async () => {
  let requests = 0;
  const { said, waits } = await overHttp((url, request) => {
    requests += 1;
    return requests < 3 ? new Response("", { status: 503 }) : TIERS(url, request);
  });
  expect({ first: said[0], waits }).toEqual({ first: "a found 11 -", waits: [100, 200] });
});

test("HTTP: Retry-After comes first", async () => {
  let requests = 0;
  const { waits } = await overHttp((url, request) => {
    requests += 1;
    const limited = new Response("", { status: 429, headers: { "retry-after": "7" } });
    return requests === 1 ? limited : TIERS(url, request);
  });
  expect(waits).toEqual([7_000]);
});

test("HTTP: what was answered before a failure is kept, and the rest is left", async () => {
  const { said, stopped, dueMs } = await overHttp((url, request) =>
    url.pathname.endsWith("c") ? new Response("down", { status: 500 }) : TIERS(url, request),
  );
  expect({ said, dueMs, stopped }).toEqual({
    said: ["a found 11 -", "b not_found - -"],
    dueMs: 0,
    stopped: "http://crm/v2/tiers/c answers 500: down",
  });
});

test("HTTP: a server that denies is told at once, without what was sent to it", async () => {
  const { said, waits } = await overHttp(
    (_url, request) => new Response(`no ${request.headers.get("authorization")}`, { status: 401 }),
    {},
    { headers: { authorization: "Bearer s3cr3t-token" } },
  );
  expect({ said, waits }).toEqual({
    said: ["http://crm/v2/tiers/a answers 401: no (secret)"],
    waits: [],
  });
});

test("HTTP: another host is not asked, whatever an answer sends to", async () => {
  const { said } = await overHttp(() => Response.redirect("http://192.0.2.1/tiers"));
  expect(said[0]).toMatch(/sends on to http:\/\/192\.0\.2\.1, which is not asked$/);
});

test("HTTP: a key stays a part of its address", async () => {
  const seen: string[] = [];
  const keys = ["../../admin", "a/b?c#d"];
  await tried({ url: "http://crm/v2" }, {}, keys, ({ pathname }) => {
    seen.push(pathname);
    return Response.json({ tier: 1 });
  });
  expect(seen).toEqual(["/v2/tiers/..%2F..%2Fadmin", "/v2/tiers/a%2Fb%3Fc%23d"]);
});

test("rate: requests begin apart", async () => {
  const { waits } = await overHttp(TIERS, {}, { everyMs: 500 });
  expect(waits).toEqual([500, 500]);
});

test("rate: what a run has no time for is due when it may be asked", async () => {
  const { said, waits, dueMs } = await overHttp(TIERS, {}, { everyMs: 3_600_000 });
  expect({ said, waits, dueMs }).toEqual({ said: ["a found 11 -"], waits: [], dueMs: 3_601_000 });
});

test("nobody answers: the run fails, with who it was", async () => {
  const { said } = await tried({ url: "http://crm", retries: 0 }, {});
  expect(said[0]).toMatch(/^http:\/\/crm\/tiers\/a does not answer: connection refused$/);
});

test("SQLite: keys are values and never SQL", async () => {
  await using folder = await tempFolder();
  const path = join(folder.path, "crm.db");
  using database = new Database(path);
  database.run("create table tiers(id text, tier int)");
  database.run("insert into tiers values ('a', 1), ('c', 3), ('it''s', 9)");
  const ask = "select id, tier from tiers where id in ({keys})";
  const { said } = await tried({ url: `sqlite:${path}` }, { ask, batch: 10 }, [
    ...KEYS,
    "it's",
    "') or (1=1",
  ]);
  expect(said).toEqual([
    "a found 1 -",
    "b not_found - -",
    "c found 3 -",
    "it's found 9 -",
    "') or (1=1 not_found - -",
  ]);
});

test("SQLite: a statement that writes is refused", async () => {
  await using folder = await tempFolder();
  const path = join(folder.path, "crm.db");
  using database = new Database(path);
  database.run("create table tiers(id text, tier int)");
  const ask = "delete from tiers where id in ({keys}) returning id, tier";
  const { said } = await tried({ url: `sqlite:${path}` }, { ask, batch: 10 });
  expect(said[0]).toContain("attempt to write a readonly database");
});

test("a column that the answer lacks: its names are told", async () => {
  const { said } = await overHttp(({ pathname }) =>
    Response.json(pathname.endsWith("b") ? { level: 1, name: null } : { tier: null }),
  );
  const error = "the answer has no tier, which columns: names; it has level, name";
  expect(said).toEqual(["a found - -", `b error - ${error}`, "c found - -"]);
});

test("SQLite: a column that the statement lacks is told, also where nothing is found", async () => {
  await using folder = await tempFolder();
  const path = join(folder.path, "crm.db");
  using database = new Database(path);
  database.run("create table tiers(id text, level int)");
  const ask = "select id, level from tiers where id in ({keys})";
  const { said } = await tried({ url: `sqlite:${path}` }, { ask, batch: 10 });
  expect(said).toEqual(["the answer has no tier, which columns: names"]);
});
