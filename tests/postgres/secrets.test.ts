/** No value of a secret is anywhere but where it is kept: a source of each, failing and succeeding, by the program. */

import { afterAll, expect, setDefaultTimeout, test } from "bun:test";
import { appendFileSync, existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { buildIfStale } from "../../examples/shop/binary.ts";
import { type Ran, tarn } from "../support/binary.ts";
import { postgresVersions, startPostgres } from "../support/postgres.ts";
import { type TempFolder, tempFolder } from "../support/temp-folder.ts";

setDefaultTimeout(180_000);

const TOKEN = "canary-token-7f3a9c";
const WRONG = "canary-wrong-51bb02";
const PASSWORD = "canary-p@ss-c2d84e";
const CANARIES = [TOKEN, WRONG, PASSWORD, encodeURIComponent(PASSWORD)];

/** Words and variables of all processes that say a canary, as an outsider sees them. */
const seen: string[] = [];

/** Answers who has the token; says to others what they sent. Looks around meanwhile. */
const server = Bun.serve({
  port: 0,
  fetch: (request) => {
    lookAround();
    const given = request.headers.get("authorization");
    if (given === `Bearer ${TOKEN}`) return Response.json([{ id: 1 }]);
    return new Response(`not for ${given}`, { status: 401 });
  },
});
afterAll(() => server.stop(true));

function lookAround(): void {
  if (!existsSync("/proc/self/cmdline")) return;
  for (const process of readdirSync("/proc").filter((name) => /^\d+$/.test(name))) {
    for (const what of ["cmdline", "environ", "comm"]) {
      const text = readOr(`/proc/${process}/${what}`);
      if (CANARIES.some((canary) => text.includes(canary))) seen.push(`${what} of ${process}`);
    }
  }
}

function readOr(path: string): string {
  try {
    return readFileSync(path, "latin1");
  } catch {
    return "";
  }
}

/** Files and names below a folder that say a canary. */
function tellingFiles(folder: string): readonly string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true }).flatMap((entry) => {
    const path = join(entry.parentPath, entry.name);
    const text = entry.isFile() ? `${path}\n${readOr(path)}` : path;
    const isKept = path.includes("/.tarn/secrets/") && entry.isFile();
    return !isKept && CANARIES.some((canary) => text.includes(canary)) ? [path] : [];
  });
}

class Program {
  readonly #folder: TempFolder;
  readonly said: string[] = [];
  constructor(folder: TempFolder) {
    this.#folder = folder;
  }
  async run(words: readonly string[], stdin?: string): Promise<Ran> {
    const ran = await tarn(this.#folder.path, words, stdin === undefined ? {} : { stdin });
    this.said.push(`${ran.out}${ran.err}`);
    return ran;
  }
}

test.skipIf(postgresVersions().length === 0)("values of secrets are told to nobody", async () => {
  expect(await buildIfStale()).toBe(0);
  const [version = 18] = postgresVersions();
  await using database = await startPostgres(version);
  await database.run("shop", "create table public.orders (id int primary key)");
  await database.run("shop", "insert into public.orders values (1), (2)");
  await database.run("shop", `create role reader login superuser password '${PASSWORD}'`);
  await database.pauseFor(() =>
    writeFileSync(
      join(database.data, "pg_hba.conf"),
      "host all postgres all trust\nhost all all all scram-sha-256\nhost replication all all scram-sha-256\n",
    ),
  );
  await using folder = await tempFolder();
  await using vault = await tempFolder();
  const kept = join(vault.path, "db");
  writeFileSync(kept, `${encodeURIComponent(`${PASSWORD}x`)}\n`);
  const pay = {
    kind: "api",
    url: `http://127.0.0.1:${server.port}`,
    auth: { bearer: `\${secret:token}` },
    endpoints: { a: { path: "/" } },
  };
  const url = `postgres://reader:\${secret:db}@127.0.0.1:${database.port}/shop`;
  const sources = JSON.stringify({
    secrets: { db: { exec: ["cat", kept] } },
    sources: { pay, shop: { kind: "postgres", url } },
  });
  writeFileSync(join(folder.path, "tarn.yaml"), sources);
  const program = new Program(folder);
  const looks = [
    ["status", "--json"],
    ["source", "check", "shop", "--json"],
    ["source", "check", "pay"],
    ["source", "ls", "--json"],
    ["config", "show", "--json"],
    ["secret", "ls"],
    ["check", "--debug"],
    ["sql", "-c", "from lake.runs", "--format", "csv"],
    ["log", "--json"],
  ];

  const none = await program.run(["build"]);
  expect(none.code).toBe(1);
  expect(none.err).toContain("tarn secret set token");
  expect((await program.run(["secret", "set", "token", WRONG])).code).toBe(2);
  expect((await program.run(["secret", "set", "token"], `${WRONG}\n`)).code).toBe(0);
  const failing = await program.run(["build", "--debug"]);
  expect(failing.code).toBe(1);
  expect(failing.err).toContain("not for Bearer (secret)");
  expect(failing.err).toContain("password authentication failed");
  for (const words of looks) await program.run(words);

  writeFileSync(kept, `${encodeURIComponent(PASSWORD)}\n`);
  expect((await program.run(["secret", "set", "token"], TOKEN)).code).toBe(0);
  const good = await program.run(["build", "--debug"]);
  expect(good.err).toContain("bronze.pay_a");
  expect(good.err).toContain("bronze.shop_orders");
  expect(good.code).toBe(0);
  for (const words of looks) await program.run(words);

  const all = program.said.filter((text) => CANARIES.some((canary) => text.includes(canary)));
  expect(all).toEqual([]);
  expect(tellingFiles(folder.path)).toEqual([]);
  expect(seen).toEqual([]);
  // The search finds what there is.
  appendFileSync(join(folder.path, "leak"), TOKEN);
  expect(tellingFiles(folder.path)).toEqual([join(folder.path, "leak")]);
});
