/** The Iceberg REST catalog over a real socket: what is answered, what is refused, and what the lake knows of it. */

import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { existsSync } from "node:fs";
import { mkdir, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { systemClock, systemRandom } from "../../../../cmd/clock.ts";
import { buildOf, hasFailed } from "../../../../cmd/lake/build.ts";
import { type JsonObject, objectField, objectsField } from "../../../../core/base/json.ts";
import { relocateLake } from "../../../../storage/catalog/relocate.ts";
import { type Answered, ServedLake } from "../../../support/iceberg-client.ts";
import { tempFolder } from "../../../support/temp-folder.ts";

setDefaultTimeout(60_000);

/** Ids as no catalog would give them. */
const SCHEMA = {
  type: "struct",
  "schema-id": 7,
  fields: [
    { id: 10, name: "id", required: true, type: "long" },
    {
      id: 30,
      name: "place",
      required: false,
      type: {
        type: "struct",
        fields: [{ id: 31, name: "city", required: false, type: "string" }],
      },
    },
    { id: 20, name: "day", required: false, type: "date" },
  ],
  "identifier-field-ids": [10],
};
const SPEC = { "spec-id": 0, fields: [{ name: "day", transform: "identity", "source-id": 20 }] };

async function lakeIn(path: string, files: Readonly<Record<string, string>> = {}) {
  for (const [name, text] of Object.entries({ "tarn.yaml": "", ...files })) {
    await mkdir(join(path, name, ".."), { recursive: true });
    await writeFile(join(path, name), text);
  }
  return await ServedLake.open(path);
}

async function tableIn(lake: ServedLake, name = "t", namespace = "ns"): Promise<JsonObject> {
  await lake.ask("POST", "namespaces", { namespace: [namespace], properties: {} });
  const made = await lake.ask("POST", `namespaces/${namespace}/tables`, { name, schema: SCHEMA });
  expect(made.status).toBe(200);
  return made.json;
}

let lastSnapshotId = 1000n;

/** A commit that appends what is not there: no catalog looks into it. */
function appendTo(loaded: JsonObject, operation = "append"): JsonObject {
  const metadata = objectField(loaded, "metadata");
  const head = metadata["current-snapshot-id"];
  const parent = typeof head === "bigint" && head > 0n ? head : null;
  const id = ++lastSnapshotId;
  const sequence = BigInt(String(metadata["last-sequence-number"])) + 1n;
  return {
    requirements: [
      { type: "assert-table-uuid", uuid: metadata["table-uuid"] ?? null },
      { type: "assert-ref-snapshot-id", ref: "main", "snapshot-id": parent },
    ],
    updates: [
      {
        action: "add-snapshot",
        snapshot: {
          "snapshot-id": id,
          ...(parent === null ? {} : { "parent-snapshot-id": parent }),
          "sequence-number": sequence,
          "timestamp-ms": Date.now(),
          "manifest-list": `${String(metadata.location)}/metadata/snap-${id}.avro`,
          summary: { operation, "added-records": "3", "total-records": String(3n * sequence) },
          "schema-id": 0,
        },
      },
      { action: "set-snapshot-ref", "ref-name": "main", type: "branch", "snapshot-id": id },
    ],
  };
}

function told({ status, type, message }: Answered): string {
  return `${status} ${type}: ${message}`;
}

describe("who asks", () => {
  test("needs the lake's token, a known path, and JSON of a bounded length", async () => {
    await using folder = await tempFolder();
    await using lake = await lakeIn(folder.path);
    const wrong = await lake.askWith({ authorization: "Bearer other" }, "GET", "config");
    expect(told(wrong)).toStartWith("401 NotAuthorizedException: ");
    const config = await lake.ask("GET", "config?warehouse=any");
    expect(config.json.endpoints).toContain("POST /v1/{prefix}/transactions/commit");
    expect(told(await lake.ask("GET", "nothing"))).toBe(
      "400 BadRequestException: No route for request: GET v1/nothing",
    );
    for (const body of ["{", "[]", "null", ""]) {
      const answer = await lake.ask("POST", "namespaces", body);
      expect(told(answer)).toStartWith("400 BadRequestException: Malformed request: ");
    }
    const long = await lake.ask("POST", "namespaces", `"${"x".repeat(33 * 1024 * 1024)}"`);
    expect(long.status).toBe(413);
  });
});

describe("namespaces", () => {
  test("are made, listed by level and by page, changed, and dropped when empty", async () => {
    await using folder = await tempFolder();
    await using lake = await lakeIn(folder.path);
    for (const namespace of [["b"], ["a"], ["a", "x"], ["a", "x", "deep"], ["ü + b"]]) {
      const made = await lake.ask("POST", "namespaces", { namespace, properties: { owner: "me" } });
      expect(made.json.properties).toMatchObject({ owner: "me" });
    }
    const again = await lake.ask("POST", "namespaces", { namespace: ["a"] });
    expect(told(again)).toBe("409 AlreadyExistsException: Namespace already exists: a");
    const all = await lake.ask("GET", "namespaces");
    expect(all.json).toEqual({ namespaces: [["a"], ["b"], ["ü + b"]], "next-page-token": null });
    const below = await lake.ask("GET", "namespaces?parent=a");
    expect(below.json.namespaces).toEqual([["a", "x"]]);
    expect((await lake.ask("GET", "namespaces?parent=c")).type).toBe("NoSuchNamespaceException");
    const first = await lake.ask("GET", "namespaces?pageToken=&pageSize=2");
    expect(first.json.namespaces).toEqual([["a"], ["b"]]);
    const token = String(first.json["next-page-token"]);
    await lake.ask("DELETE", "namespaces/b");
    const second = await lake.ask("GET", `namespaces?pageToken=${token}&pageSize=2`);
    expect(second.json).toEqual({ namespaces: [["ü + b"]], "next-page-token": null });
    expect((await lake.ask("HEAD", "namespaces/%C3%BC+%2B+b")).status).toBe(204);
    expect((await lake.ask("HEAD", "namespaces/b")).status).toBe(404);
    const changed = await lake.ask("POST", "namespaces/a%1Fx/properties", {
      updates: { k: "v" },
      removals: ["owner", "other"],
    });
    expect(changed.json).toEqual({ updated: ["k"], removed: ["owner"], missing: ["other"] });
    const both = { updates: { k: "v" }, removals: ["k"] };
    expect((await lake.ask("POST", "namespaces/a/properties", both)).status).toBe(422);
    expect(told(await lake.ask("DELETE", "namespaces/a"))).toBe(
      "409 NamespaceNotEmptyException: Namespace a is not empty. Contains other namespaces.",
    );
    for (const namespace of [[], [""], ["a.b"], ["lake"], ["../x"], ["a/b"]]) {
      const refused = await lake.ask("POST", "namespaces", { namespace });
      expect(told(refused)).toStartWith("400 BadRequestException: Invalid namespace");
    }
  });
});

describe("a table", () => {
  test("is made with ids of its own, loaded as it is stored, and told apart by its tag", async () => {
    await using folder = await tempFolder();
    await using lake = await lakeIn(folder.path);
    await lake.ask("POST", "namespaces", { namespace: ["ns"] });
    const asked = { name: "t", schema: SCHEMA, "partition-spec": SPEC, properties: { k: "v" } };
    const made = await lake.ask("POST", "namespaces/ns/tables", asked);
    const metadata = objectField(made.json, "metadata");
    const [schema] = objectsField(metadata, "schemas");
    expect(objectsField(schema ?? {}, "fields").map(({ id }) => id)).toEqual([1, 2, 3]);
    expect(schema?.["identifier-field-ids"]).toEqual([1]);
    expect(objectsField(metadata, "partition-specs")).toEqual([
      {
        "spec-id": 0,
        fields: [{ name: "day", transform: "identity", "source-id": 3, "field-id": 1000 }],
      },
    ]);
    expect(metadata.properties).toEqual({ "write.parquet.compression-codec": "zstd", k: "v" });
    const loaded = await lake.ask("GET", "namespaces/ns/tables/t");
    expect(loaded.json).toEqual(made.json);
    const same = await lake.askWith(
      { "if-none-match": loaded.etag },
      "GET",
      "namespaces/ns/tables/t",
    );
    expect(same.status).toBe(304);
    expect(told(await lake.ask("POST", "namespaces/ns/tables", asked))).toBe(
      "409 AlreadyExistsException: Table already exists: ns.t",
    );
    expect((await lake.ask("GET", "namespaces/ns/tables")).json.identifiers).toEqual([
      { namespace: ["ns"], name: "t" },
    ]);
    expect(told(await lake.ask("GET", "namespaces/ns/tables/u"))).toBe(
      "404 NoSuchTableException: Table does not exist: ns.u",
    );
    const path = String(made.json["metadata-location"]);
    await rm(path.slice("file://".length));
    expect(told(await lake.ask("GET", "namespaces/ns/tables/t"))).toBe(
      `404 NotFoundException: Failed to open input stream for file: ${path}`,
    );
  });

  test("is committed to on what it is, and the lake's history has each commit once", async () => {
    await using folder = await tempFolder();
    await using lake = await lakeIn(folder.path);
    const first = await tableIn(lake);
    const append = appendTo(first);
    const second = await lake.ask("POST", "namespaces/ns/tables/t", append);
    expect(second.status).toBe(200);
    const stale = await lake.ask("POST", "namespaces/ns/tables/t", append);
    expect(told(stale)).toBe(
      "409 CommitFailedException: Requirement failed: branch main was created concurrently",
    );
    const refs = await lake.ask("GET", "namespaces/ns/tables/t?snapshots=refs");
    expect(refs.json["metadata-location"]).toBe(second.json["metadata-location"] ?? null);
    const empty = await lake.ask("POST", "namespaces/ns/tables/t", {
      requirements: [],
      updates: [],
    });
    expect(empty.json["metadata-location"]).toBe(second.json["metadata-location"] ?? null);
    const [latest, created] = await lake.session.catalog.commits({ table: "ns.t", limit: 9 });
    expect(latest).toMatchObject({ kind: "foreign", message: "ns.t by another engine" });
    expect(latest?.tables).toMatchObject([{ operation: "append", addedRecords: 3n }]);
    expect(created?.tables).toMatchObject([{ operation: null }]);
    const [head] = await lake.session.catalog.tables();
    expect(head?.metadataLocation).toBe(String(second.json["metadata-location"]));
  });

  test("is committed to once under one key, whoever asks again", async () => {
    await using folder = await tempFolder();
    await using lake = await lakeIn(folder.path);
    const append = appendTo(await tableIn(lake));
    const keyed = (key: string, body: JsonObject) =>
      lake.askWith({ "idempotency-key": key }, "POST", "namespaces/ns/tables/t", body);
    const both = await Promise.all([keyed("one", append), keyed("one", append)]);
    expect(both.map(({ status }) => status)).toEqual([200, 200]);
    expect((await keyed("one", { updates: [] })).status).toBe(422);
    // Another process knows it by the catalog alone.
    await using other = await lake.again();
    const again = await other.askWith(
      { "idempotency-key": "one" },
      "POST",
      "namespaces/ns/tables/t",
      append,
    );
    expect(again.json).toEqual(both[0]?.json ?? {});
    expect(objectsField(objectField(again.json, "metadata"), "snapshots")).toHaveLength(1);
    expect((await keyed("two", append)).status).toBe(409);
    expect((await keyed("two", append)).status).toBe(409);
  });

  test("is not committed to by what is unknown or wrong", async () => {
    await using folder = await tempFolder();
    await using lake = await lakeIn(folder.path);
    await tableIn(lake);
    const commit = (updates: JsonObject[], requirements: JsonObject[] = []) =>
      lake.ask("POST", "namespaces/ns/tables/t", { requirements, updates });
    const refused: readonly (readonly [JsonObject, string])[] = [
      [{ action: "set-colour", colour: "red" }, "400 BadRequestException"],
      [{ action: "set-current-schema", "schema-id": 9 }, "400 ValidationException"],
      [{ action: "upgrade-format-version", "format-version": 9 }, "406 Unsupported"],
      [{ action: "set-properties", updates: { "format-version": "3" } }, "400 ValidationException"],
      [{ action: "set-location", location: "file:///elsewhere" }, "400 BadRequestException"],
      [{ action: "set-properties", updates: { "write.data.path": "/tmp/x" } }, "400 BadRequest"],
    ];
    for (const [update, wanted] of refused) {
      expect(told(await commit([update]))).toStartWith(wanted);
    }
    const requirement = { type: "assert-moon-phase" };
    expect(told(await commit([], [requirement]))).toStartWith("400 BadRequestException");
    const other = { type: "assert-table-uuid", uuid: "00000000-0000-0000-0000-000000000000" };
    expect(told(await commit([], [other]))).toStartWith(
      "409 CommitFailedException: Requirement failed: UUID does not match: expected",
    );
    const missing = await lake.ask("POST", "namespaces/ns/tables/u", { updates: [] });
    expect(missing.type).toBe("NoSuchTableException");
  });

  test("is staged without a trace, and made by the commit that says all of it", async () => {
    await using folder = await tempFolder();
    await using lake = await lakeIn(folder.path);
    await lake.ask("POST", "namespaces", { namespace: ["ns"] });
    const asked = { name: "t", schema: SCHEMA, "stage-create": true };
    const staged = await lake.ask("POST", "namespaces/ns/tables", asked);
    expect(staged.json["metadata-location"]).toBeUndefined();
    expect((await lake.ask("HEAD", "namespaces/ns/tables/t")).status).toBe(404);
    const metadata = objectField(staged.json, "metadata");
    const [schema] = objectsField(metadata, "schemas");
    const updates = (location: string) => [
      { action: "assign-uuid", uuid: metadata["table-uuid"] ?? null },
      { action: "upgrade-format-version", "format-version": 2 },
      { action: "add-schema", schema: schema ?? null },
      { action: "set-current-schema", "schema-id": -1 },
      { action: "add-spec", spec: { "spec-id": 0, fields: [] } },
      { action: "set-default-spec", "spec-id": -1 },
      { action: "add-sort-order", "sort-order": { "order-id": 0, fields: [] } },
      { action: "set-default-sort-order", "sort-order-id": -1 },
      { action: "set-location", location },
    ];
    const requirements = [{ type: "assert-create" }];
    const root = lake.session.warehouse;
    for (const location of ["file:///elsewhere/t", `file://${root}`, `file://${root}/ns/a/b`]) {
      const body = { requirements, updates: updates(location) };
      const refused = await lake.ask("POST", "namespaces/ns/tables/t", body);
      expect(told(refused)).toStartWith("400 BadRequestException: Invalid location");
    }
    const body = { requirements, updates: updates(String(metadata.location)) };
    expect((await lake.ask("POST", "namespaces/ns/tables/t", body)).status).toBe(200);
    const again = await lake.ask("POST", "namespaces/ns/tables/t", body);
    expect(told(again)).toBe("409 CommitFailedException: Requirement failed: table already exists");
  });

  test("gets another name, is dropped, registered again and purged", async () => {
    await using folder = await tempFolder();
    await using lake = await lakeIn(folder.path);
    const made = await tableIn(lake);
    const renamed = (from: string, to: string) =>
      lake.ask("POST", "tables/rename", {
        source: { namespace: ["ns"], name: from },
        destination: { namespace: ["ns"], name: to },
      });
    expect((await renamed("t", "u")).status).toBe(204);
    expect((await renamed("u", "u")).status).toBe(204);
    expect(told(await renamed("t", "v"))).toStartWith("404 NoSuchTableException");
    await tableIn(lake, "w");
    expect(told(await renamed("u", "w"))).toBe(
      "409 AlreadyExistsException: Cannot rename ns.u to ns.w. Table already exists",
    );
    const location = String(made["metadata-location"]);
    const register = (name: string) =>
      lake.ask("POST", "namespaces/ns/register", { name, "metadata-location": location });
    expect(told(await register("twice"))).toStartWith("409 AlreadyExistsException");
    expect((await lake.ask("DELETE", "namespaces/ns/tables/u")).status).toBe(204);
    const back = await register("back");
    expect(back.json["metadata-location"]).toBe(location);
    const gone = "namespaces/ns/tables/back?purgeRequested=true";
    expect((await lake.ask("DELETE", gone)).status).toBe(204);
    expect((await lake.ask("HEAD", "namespaces/ns/tables/back")).status).toBe(404);
    // Whoever reads it now may end.
    expect(existsSync(location.slice("file://".length))).toBe(true);
    expect((await lake.ask("DELETE", "namespaces/ns/tables/back")).status).toBe(404);
    const elsewhere = { name: "x", "metadata-location": "file:///etc/passwd" };
    expect(told(await lake.ask("POST", "namespaces/ns/register", elsewhere))).toStartWith(
      "400 BadRequestException: Invalid metadata location",
    );
  });
});

describe("where tables lie", () => {
  test("a folder is one table's, however its path is written", async () => {
    await using folder = await tempFolder();
    await using lake = await lakeIn(folder.path);
    const made = await tableIn(lake);
    const location = String(objectField(made, "metadata").location);
    const path = location.slice("file://".length);
    for (const other of [location, `file:${path}`, path, `${location}/`]) {
      const asked = { name: "u", schema: SCHEMA, location: other };
      const refused = await lake.ask("POST", "namespaces/ns/tables", asked);
      expect(told(refused)).toStartWith("400 BadRequestException: Invalid location");
    }
    const free = `file://${lake.session.warehouse}/ns/free`;
    const asked = { name: "u", schema: SCHEMA, location: free };
    const own = await lake.ask("POST", "namespaces/ns/tables", asked);
    expect(objectField(own.json, "metadata").location).toBe(free);
  });

  test("anywhere, where tarn.yaml says so: the catalog writes in the lake all the same", async () => {
    await using folder = await tempFolder();
    await using lake = await lakeIn(folder.path, { "tarn.yaml": "serve: { places: anywhere }\n" });
    await lake.ask("POST", "namespaces", { namespace: ["ns"] });
    const asked = { name: "t", schema: SCHEMA, location: "file:/elsewhere/t" };
    const made = await lake.ask("POST", "namespaces/ns/tables", asked);
    expect(objectField(made.json, "metadata").location).toBe("file:/elsewhere/t");
    const inLake = `file://${lake.session.warehouse}/ns/t-`;
    expect(String(made.json["metadata-location"])).toStartWith(inLake);
    const next = await lake.ask("POST", "namespaces/ns/tables/t", appendTo(made.json));
    expect(String(next.json["metadata-location"])).toStartWith(inLake);
  });

  test("views move with a lake that is relocated", async () => {
    await using folder = await tempFolder();
    const [from, to] = [join(folder.path, "a"), join(folder.path, "b")];
    {
      await using lake = await lakeIn(from);
      await tableIn(lake);
      const view = {
        name: "v",
        schema: SCHEMA,
        "view-version": {
          "version-id": 1,
          "timestamp-ms": 1_700_000_000_000,
          "schema-id": 0,
          summary: {},
          "default-namespace": ["ns"],
          representations: [{ type: "sql", sql: "select 1", dialect: "spark" }],
        },
        properties: {},
      };
      expect((await lake.ask("POST", "namespaces/ns/views", view)).status).toBe(200);
    }
    await rename(from, to);
    await relocateLake({ root: join(to, "warehouse"), clock: systemClock, random: systemRandom });
    await using lake = await ServedLake.open(to);
    const view = await lake.ask("GET", "namespaces/ns/views/v");
    const root = `file://${lake.session.warehouse}/ns/v-`;
    expect(String(objectField(view.json, "metadata").location)).toStartWith(root);
    expect(String(view.json["metadata-location"])).toStartWith(root);
    expect(await lake.session.catalog.views()).toEqual(["ns.v"]);
  });
});

describe("several tables", () => {
  test("are committed to together, or none of them", async () => {
    await using folder = await tempFolder();
    await using lake = await lakeIn(folder.path);
    const [a, b] = [await tableIn(lake, "a"), await tableIn(lake, "b")];
    const change = (name: string, commit: JsonObject): JsonObject => ({
      identifier: { namespace: ["ns"], name },
      ...commit,
    });
    const old = appendTo(b);
    const both = { "table-changes": [change("a", appendTo(a)), change("b", old)] };
    expect((await lake.ask("POST", "transactions/commit", both)).status).toBe(204);
    const [latest] = await lake.session.catalog.commits({ limit: 1 });
    expect(latest?.tables.map(({ name }) => name)).toEqual(["ns.a", "ns.b"]);
    const after = await lake.ask("GET", "namespaces/ns/tables/a");
    const half = { "table-changes": [change("a", appendTo(after.json)), change("b", old)] };
    expect(told(await lake.ask("POST", "transactions/commit", half))).toStartWith("409 Commit");
    expect((await lake.ask("GET", "namespaces/ns/tables/a")).json).toEqual(after.json);
    const none = await lake.ask("POST", "transactions/commit", { "table-changes": [] });
    expect(told(none)).toStartWith("400 BadRequestException");
    const twice = { "table-changes": [change("a", {}), change("a", {})] };
    expect(told(await lake.ask("POST", "transactions/commit", twice))).toStartWith("400 ");
  });

  test("sixteen committers lose no update", async () => {
    await using folder = await tempFolder();
    await using lake = await lakeIn(folder.path);
    await tableIn(lake);
    const rounds = 4;
    let conflicts = 0;
    const committer = async (): Promise<void> => {
      for (let done = 0; done < rounds; ) {
        const { json } = await lake.ask("GET", "namespaces/ns/tables/t");
        const answer = await lake.ask("POST", "namespaces/ns/tables/t", appendTo(json));
        if (answer.status === 200) done += 1;
        else {
          expect(answer.type).toBe("CommitFailedException");
          conflicts += 1;
        }
      }
    };
    await Promise.all(Array.from({ length: 16 }, committer));
    const { json } = await lake.ask("GET", "namespaces/ns/tables/t");
    const metadata = objectField(json, "metadata");
    const snapshots = objectsField(metadata, "snapshots");
    expect(snapshots).toHaveLength(16 * rounds);
    const parents = snapshots.map((one) => one["parent-snapshot-id"] ?? null);
    expect(parents).toEqual([
      null,
      ...snapshots.slice(0, -1).map((one) => one["snapshot-id"] ?? 0n),
    ]);
    expect(metadata["last-sequence-number"]).toBe(BigInt(16 * rounds));
    expect(conflicts).toBeGreaterThan(0);
    const commits = await lake.session.catalog.commits({ table: "ns.t", limit: 1000 });
    expect(commits).toHaveLength(16 * rounds + 1);
  });
});

const PROJECT = {
  "tarn.yaml": "sources:\n  parcels: {}\n",
  "drops/parcels/a.csv": "id,weight\n1,10\n2,20\n",
  "models/gold/heavy.sql": "select * from bronze.parcels where weight > 15\n",
};

describe("what the lake makes itself", () => {
  test("takes rows where rows land, and nothing that its maker says", async () => {
    await using folder = await tempFolder();
    await using lake = await lakeIn(folder.path, PROJECT);
    const all = { select: [], exclude: [], full: false, models: true, sources: true };
    const { signal } = new AbortController();
    await buildOf(lake.session, all, { signal, onEvent: () => undefined });
    const bronze = await lake.ask("GET", "namespaces/bronze/tables/parcels");
    const gold = await lake.ask("GET", "namespaces/gold/tables/heavy");
    const to = (name: string, body: JsonObject) => lake.ask("POST", `namespaces/${name}`, body);
    expect(told(await to("gold/tables/heavy", appendTo(gold.json)))).toBe(
      "403 ForbiddenException: models/gold/heavy.sql makes gold.heavy: " +
        "rows of another engine would be lost; write them to a table of its own",
    );
    expect((await to("gold/tables/heavy", appendTo(gold.json, "replace"))).status).toBe(200);
    const tag = {
      updates: [{ action: "set-properties", updates: { comment: "heavy ones" } }],
    };
    expect((await to("gold/tables/heavy", tag)).status).toBe(200);
    const sort = { updates: [{ action: "set-default-sort-order", "sort-order-id": 0 }] };
    expect(told(await to("bronze/tables/parcels", sort))).toStartWith(
      "403 ForbiddenException: source parcels lands in bronze.parcels",
    );
    expect((await to("bronze/tables/parcels", appendTo(bronze.json))).status).toBe(200);
    for (const name of ["bronze/tables/parcels", "gold/tables/heavy"]) {
      expect((await lake.ask("DELETE", `namespaces/${name}`)).status).toBe(403);
    }
    await tableIn(lake, "free");
    const renamed = (source: JsonObject, destination: JsonObject) =>
      lake.ask("POST", "tables/rename", { source, destination });
    const free = { namespace: ["ns"], name: "free" };
    const heavy = { namespace: ["gold"], name: "heavy" };
    expect((await renamed(heavy, { namespace: ["gold"], name: "x" })).status).toBe(403);
    expect((await renamed(free, { namespace: ["bronze_quarantine"], name: "x" })).status).toBe(403);
  });
});

describe("a table that another engine made", () => {
  test("is not taken by a model that comes to have its name, unless it is asked for", async () => {
    await using folder = await tempFolder();
    await using lake = await lakeIn(folder.path, { "models/gold/other.sql": "select 1 as id\n" });
    const made = await tableIn(lake, "x", "gold");
    expect((await lake.ask("POST", "namespaces/gold/tables/x", appendTo(made))).status).toBe(200);
    await writeFile(join(folder.path, "models/gold/x.sql"), "select 1 as id\n");
    await lake.session.reload();
    const all = { select: [], exclude: [], models: true, sources: true };
    const { signal } = new AbortController();
    const told = { signal, onEvent: () => undefined };
    expect(hasFailed(await buildOf(lake.session, { ...all, full: false }, told))).toBe(true);
    const [latest] = await lake.session.catalog.commits({ table: "gold.x", limit: 1 });
    expect(latest?.kind).toBe("foreign");
  });
});

describe("a view", () => {
  const version = (sql: string, dialect = "spark"): JsonObject => ({
    "version-id": 1,
    "timestamp-ms": 1_700_000_000_000,
    "schema-id": 0,
    summary: {},
    "default-namespace": ["ns"],
    representations: [{ type: "sql", sql, dialect }],
  });

  test("is made, replaced in the dialects that it has, renamed and dropped", async () => {
    await using folder = await tempFolder();
    await using lake = await lakeIn(folder.path);
    await tableIn(lake);
    const asked = (name: string): JsonObject => ({
      name,
      schema: SCHEMA,
      "view-version": version("select 1"),
      properties: {},
    });
    expect(told(await lake.ask("POST", "namespaces/ns/views", asked("t")))).toBe(
      "409 AlreadyExistsException: Table with same name already exists: ns.t",
    );
    const made = await lake.ask("POST", "namespaces/ns/views", asked("v"));
    const uuid = objectField(made.json, "metadata")["view-uuid"] ?? null;
    const commit = (updates: JsonObject[]) =>
      lake.ask("POST", "namespaces/ns/views/v", {
        requirements: [{ type: "assert-view-uuid", uuid }],
        updates,
      });
    const current = { action: "set-current-view-version", "view-version-id": -1 };
    const add = (next: JsonObject) => ({ action: "add-view-version", "view-version": next });
    const replaced = await commit([add(version("select 2")), current]);
    expect(objectField(replaced.json, "metadata")["current-version-id"]).toBe(2);
    const lost = await commit([add(version("select 3", "trino")), current]);
    expect(told(lost)).toStartWith("400 IllegalArgumentException: Cannot replace view due to loss");
    const wrong = { requirements: [{ type: "assert-view-uuid", uuid: "other" }], updates: [] };
    expect(told(await lake.ask("POST", "namespaces/ns/views/v", wrong))).toStartWith("409 Commit");
    expect((await lake.ask("GET", "namespaces/ns/views")).json.identifiers).toEqual([
      { namespace: ["ns"], name: "v" },
    ]);
    const tables = await lake.ask("GET", "namespaces/ns/tables");
    expect(tables.json.identifiers).toEqual([{ namespace: ["ns"], name: "t" }]);
    expect(
      told(await lake.ask("POST", "namespaces/ns/tables", { name: "v", schema: SCHEMA })),
    ).toBe("409 AlreadyExistsException: View with same name already exists: ns.v");
    const name = (view: string): JsonObject => ({ namespace: ["ns"], name: view });
    const to = (destination: string) =>
      lake.ask("POST", "views/rename", { source: name("v"), destination: name(destination) });
    expect(told(await to("t"))).toBe(
      "409 AlreadyExistsException: Cannot rename ns.v to ns.t. Table already exists",
    );
    expect((await to("w")).status).toBe(204);
    expect((await lake.ask("DELETE", "namespaces/ns/views/w")).status).toBe(204);
    expect((await lake.ask("HEAD", "namespaces/ns/views/w")).status).toBe(404);
    expect((await lake.ask("DELETE", "namespaces/ns/views/w")).type).toBe("NoSuchViewException");
  });
});
