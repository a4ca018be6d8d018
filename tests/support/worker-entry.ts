/** A worker process with handlers that misbehave on demand; only tests start it. */

import { existsSync, readdirSync, writeFileSync } from "node:fs";
import type { Decoded, DecodeRequest, InspectRequest } from "../../core/engine.ts";
import type { WorkerContext } from "../../sql/worker/context.ts";
import { runWorkerProcess } from "../../sql/worker/server.ts";

const NOTHING = {
  ...{
    tables: [],
    notIncremental: [],
    drivers: [],
    followed: [],
    beyondRows: [],
    combines: false,
    notDeterministic: [],
    clock: [],
    outputs: [],
  },
  columns: { words: [], unnamed: false },
};

const handlers = {
  /** Does to itself what the name of each file says. */
  async inspect(context: WorkerContext, request: InspectRequest) {
    const database = await context.open({
      allowedPaths: request.files.map((file) => file.path),
      allowedFolders: [],
      threads: 1,
    });
    for (const file of request.files) {
      context.announce(file.name);
      // For whoever waits until it is begun.
      writeFileSync(`${file.path}.reached`, "");
      if (file.name.startsWith("wait")) await until(`${file.path}.go`);
      if (file.name === "chat") await chat(context, request);
      await misbehave(file.name);
      if (file.name.endsWith(".txt")) {
        await database.rows("SELECT size FROM read_text($1)", [file.path]);
      }
    }
    const files = request.files.map(({ name }) => ({
      name,
      columns: [],
      guessed: false,
      fault: null,
    }));
    if (request.files.some((file) => file.name === "lie")) {
      return { files: [{ ...files[0], name: "/etc/passwd", dialect: DIALECT }] };
    }
    return { files: files.map((file) => ({ ...file, dialect: DIALECT })) };
  },

  /** Says by whom each file was read, in place of a count; `first` dies of it once, and leaves something behind. */
  async decode(context: WorkerContext, request: DecodeRequest): Promise<Decoded> {
    const { files, staging } = request;
    const allowedPaths = files.map(({ path }) => path);
    const db = await context.open({ allowedPaths, allowedFolders: [staging], threads: 1 });
    const left = readdirSync(staging);
    for (const { name, path } of files) {
      context.announce(name);
      if (name === "first" && !existsSync(`${path}.reached`)) {
        for (const place of [`${path}.reached`, `${staging}/work`]) writeFileSync(place, "");
        await misbehave("crash");
      }
      await misbehave(name);
      await db.run(`COPY (SELECT 1) TO '${staging}/part.parquet'`);
      if (name === "read") await db.rows("SELECT size FROM read_text($1)", [path]);
    }
    const none = { dialect: null, rowsLanded: 0, rowsQuarantined: left.length, misfits: [] };
    return {
      files: files.map(({ name }) => ({ name, ...none, rowsIn: process.pid, fault: null })),
      data: { files: [], rows: 0n },
      rejects: null,
      examples: [],
    };
  },

  /** Runs the text as SQL, and says who did it; the answer travels in a field of the analysis. */
  async analyze(context: WorkerContext, { sql }: { readonly sql: string }) {
    await misbehave(sql);
    if (!sql.startsWith("select")) return { ...NOTHING, drivers: [String(process.pid)] };
    const isFew = sql.includes("/* few */");
    const database = await context.open({
      ...{ allowedPaths: [], allowedFolders: [], threads: 1 },
      isFew,
    });
    const rows = await database.rows(sql);
    return { ...NOTHING, drivers: [String(process.pid), JSON.stringify(rows[0])] };
  },
};

const running = runWorkerProcess({
  inspect: async () => handlers.inspect,
  decode: async () => handlers.decode,
  analyze: async () => handlers.analyze,
});

const DIALECT = {
  format: "csv",
  encoding: "utf-8",
  compression: "none",
  delimiter: ",",
  quote: '"',
  header: true,
  escapeMark: null,
  comment: null,
  padded: false,
  closing: 0,
  mended: null,
  skip: 0,
  jsonLayout: null,
};

async function until(path: string): Promise<void> {
  while (!existsSync(path)) await new Promise((resolve) => setImmediate(resolve));
}

/** Names its files in turn and comes to no end. */
async function chat(context: WorkerContext, { files }: InspectRequest): Promise<never> {
  for (let index = 0; ; index++) {
    context.announce(files[index % files.length]?.name ?? "");
    await new Promise((resolve) => setImmediate(resolve));
  }
}

async function misbehave(how: string): Promise<void> {
  if (how === "crash") process.kill(process.pid, "SIGSEGV");
  if (how === "exit") process.exit(7);
  if (how === "hang") await new Promise(() => {});
  if (how === "spin") for (;;);
  if (how === "internal") throw new Error("INTERNAL Error: attempted to dereference");
  if (how === "hog") {
    const kept: Uint8Array[] = [];
    for (;;) {
      kept.push(new Uint8Array(32 * 1024 * 1024).fill(1));
      await new Promise((resolve) => setImmediate(resolve));
    }
  }
}
await running;
