/**
 * Orders that a real PostgreSQL enriches and a program scores, while the engine is killed at random moments: each key
 * is answered once, and a replay gives the same without asking anybody. `TARN_TEST_KILLS` says how often; Python scores
 * where the peers of `npm run test:conformance` are installed, TypeScript elsewhere.
 */

import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import net from "node:net";
import { join } from "node:path";
import { BINARY, buildIfStale } from "../../examples/shop/binary.ts";
import { peersFolder } from "../conformance/peers.ts";
import { drop, rows, tarn } from "../support/binary.ts";
import { type PostgresServer, postgresVersions, startPostgres } from "../support/postgres.ts";
import { tempFolder } from "../support/temp-folder.ts";

setDefaultTimeout(1_200_000);

const KILLS = Number(process.env.TARN_TEST_KILLS ?? 3);
const SEED = Number(process.env.TARN_SEED ?? Date.now() % 1_000_000);
const DROPS = Math.max(3, Math.ceil(KILLS / 3));
const ORDERS = 60;
const CUSTOMERS = 300;
const PYTHON = join(peersFolder(), "venv", "bin", "python");

const [version] = postgresVersions();
const testOn = version === undefined ? test.skip : test;
let server: PostgresServer;
beforeAll(async () => {
  if ((await buildIfStale()) !== 0) throw new Error("dist/tarn cannot be built");
  if (version === undefined) return;
  server = await startPostgres(version);
  const tiers = "case i % 3 when 0 then 'gold' else 'basic' end";
  const made = `select i, ${tiers}, i * 1.5 from generate_series(1, ${CUSTOMERS}) i`;
  await server.run(
    "postgres",
    "create table customers(id bigint primary key, tier text, credit numeric(10,2))",
  );
  await server.run("postgres", `insert into customers ${made}`);
});
afterAll(async () => {
  if (version !== undefined) await server[Symbol.asyncDispose]();
});

/** Counts who comes to the server. */
async function counted(port: number) {
  let count = 0;
  const listener = net.createServer((client) => {
    count += 1;
    const link = net.connect(port, "127.0.0.1");
    client.pipe(link).pipe(client);
    for (const socket of [client, link])
      socket.on("error", () => [client, link].map((one) => one.destroy()));
  });
  await new Promise<void>((resolve) => listener.listen(0, "127.0.0.1", resolve));
  const address = listener.address();
  return {
    port: typeof address === "object" ? (address?.port ?? 0) : 0,
    get count() {
      return count;
    },
    [Symbol.dispose]: () => void listener.close(),
  };
}

/** 32 bits of a seed. Park and Miller. */
function randomFrom(seed: number): () => number {
  let state = (seed % 2_147_483_646) + 1;
  return () => {
    state = (state * 48_271) % 2_147_483_647;
    return state / 2_147_483_647;
  };
}

const SCORE_PY = `import sys, pyarrow as pa, pyarrow.compute as pc
writer = None
for batch in pa.ipc.open_stream(sys.stdin.buffer):
    credit = pc.fill_null(pc.cast(batch["credit"], "float64"), 0.0)
    amount = pc.cast(batch["amount"], "float64")
    columns = [batch["id"], batch["tier"], pc.round(pc.divide(amount, pc.add(credit, 1.0)), 6)]
    scored = pa.record_batch(columns, names=["id", "tier", "score"])
    writer = writer or pa.ipc.new_stream(sys.stdout.buffer, scored.schema)
    writer.write_batch(scored)
empty = pa.schema([("id", pa.int64()), ("tier", pa.string()), ("score", pa.float64())])
(writer or pa.ipc.new_stream(sys.stdout.buffer, empty)).close()
`;
const SCORE_TS = `interface Order { id: bigint; tier: string | null; amount: string; credit: string | null }
export default ({ id, tier, amount, credit }: Order) => ({
  id, tier, score: Math.round((Number(amount) / (Number(credit ?? 0) + 1)) * 1e6) / 1e6,
});
`;

function project(root: string, port: number): string {
  for (const folder of ["models/bronze", "models/silver", "models/gold", "steps"]) {
    mkdirSync(join(root, folder), { recursive: true });
  }
  const write = (file: string, text: string): void => writeFileSync(join(root, file), text);
  write(
    "tarn.yaml",
    `lookups: { crm: { url: "postgres://postgres:\${CRM_PASSWORD}@127.0.0.1:${port}/postgres" } }\n`,
  );
  write(
    "models/bronze/customers.sql",
    `/* tarn
   kind: lookup
   from: crm
   ask: select id as customer, tier, credit from public.customers where id in ({keys})
   key: customer
   batch: 7
   columns: { tier: varchar, credit: "decimal(10,2)" }
*/
select customer from bronze.orders`,
  );
  write(
    "models/silver/customers.sql",
    "/* tarn\n   kind: merge\n   key: customer\n   latest_by: _asked_at\n*/\n" +
      "select customer, tier, credit, _asked_at from bronze.customers where _answer = 'found'",
  );
  write(
    "models/silver/enriched.sql",
    "select o.id, o.amount, c.tier, c.credit from bronze.orders o left join silver.customers c using (customer)",
  );
  const isPython = existsSync(PYTHON);
  if (!isPython)
    console.log(
      "skip: Python, with pyarrow: npm run test:conformance installs it; TypeScript scores",
    );
  write(isPython ? "steps/score.py" : "steps/score.ts", isPython ? SCORE_PY : SCORE_TS);
  const run = isPython ? `[${JSON.stringify(PYTHON)}, steps/score.py]` : "steps/score.ts";
  write(
    "models/gold/scored.sql",
    `/* tarn
   kind: exec
   run: ${run}
   columns: { id: bigint, tier: varchar, score: double }
   tests: [unique: id]
*/
select id, tier, amount::decimal(18,2) as amount, credit from silver.enriched`,
  );
  return isPython ? "Python" : "TypeScript";
}

const ENV = { env: { CRM_PASSWORD: "never-told" } };

async function built(root: string): Promise<void> {
  const { code, err } = await tarn(root, ["build"], ENV);
  if (code !== 0) throw new Error(err);
}

/** What the readers of a lake see in the end. */
async function digest(root: string): Promise<string> {
  const found = await rows(root, "select id, tier, score from gold.scored order by id", ENV);
  return new Bun.CryptoHasher("sha256").update(found.join("\n")).digest("hex");
}

/** Starts a build, and kills it with all that it started; what it started ends with it. */
async function killed(root: string, afterMs: number): Promise<void> {
  const env = { ...process.env, ...ENV.env };
  const child = Bun.spawn([BINARY, "build"], {
    cwd: root,
    env,
    stdin: "ignore",
    stdout: "ignore",
    stderr: "ignore",
  });
  const timer = setTimeout(() => child.kill("SIGKILL"), afterMs);
  await child.exited;
  clearTimeout(timer);
}

testOn(
  "orders enriched and scored through kills: each key is asked once, and a replay asks nobody",
  async () => {
    const random = randomFrom(SEED);
    using door = await counted(server.port);
    await using folder = await tempFolder();
    await using other = await tempFolder();
    const root = folder.path;
    const scorer = project(root, door.port);
    project(other.path, door.port);
    const files = Array.from({ length: DROPS }, (_, file) => {
      const lines = Array.from({ length: ORDERS }, (_, line) => {
        const customer = 1 + Math.floor(random() * (CUSTOMERS + 20));
        return `${file * ORDERS + line},${customer},${(random() * 100).toFixed(2)}`;
      });
      return `id,customer,amount\n${lines.join("\n")}\n`;
    });
    for (let kill = 0; kill < KILLS; kill++) {
      const text = files[Math.floor((kill * DROPS) / KILLS)];
      const name = `drops/orders/${Math.floor((kill * DROPS) / KILLS)}.csv`;
      if (text !== undefined) await drop(root, name, text);
      await killed(root, 100 + random() * 2_500);
    }
    for (const [index, text] of files.entries()) {
      await drop(root, `drops/orders/${index}.csv`, text);
      await drop(other.path, `drops/orders/${index}.csv`, text);
    }
    await built(root);
    await built(root);
    const callsOfKills = door.count;
    await built(other.path);
    const callsOfOne = door.count - callsOfKills;
    const once = await rows(
      root,
      `select count(*), count(distinct customer), (select count(distinct customer) from bronze.orders)
      from bronze.customers`,
      ENV,
    );
    const [answers, keys, asked] = (once[0] ?? "").split(",");
    expect({ answers, keys }).toEqual({ answers: asked, keys: asked });
    const before = await digest(root);
    expect(before).toBe(await digest(other.path));
    const calls = door.count;
    const replay = await tarn(root, ["replay", "bronze.customers+", "--json"], ENV);
    expect(replay.err).not.toContain("error");
    // Made anew from what was answered, and not only compared with it.
    for (const model of ["silver.customers", "silver.enriched", "gold.scored"]) {
      const { code, err } = await tarn(root, ["build", model, "--full", "--no-sources"], ENV);
      if (code !== 0) throw new Error(err);
    }
    expect({ digest: await digest(root), calls: door.count }).toEqual({ digest: before, calls });
    const told = await rows(
      root,
      "select count(*) from lake.runs where error like '%never-told%'",
      ENV,
    );
    expect(told).toEqual(["0"]);
    const of = `${ORDERS * DROPS} orders, ${keys} keys, scored by ${scorer}`;
    console.log(
      `${KILLS} kills (seed ${SEED}): ${of}; connections: ${callsOfKills}, without kills ${callsOfOne}, in replays 0`,
    );
  },
);
