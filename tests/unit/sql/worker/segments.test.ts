/** The process that is kept for segments: one for all of them, and nothing is held against them if it dies. */

import { expect, test } from "bun:test";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { LakeError } from "../../../../core/base/errors.ts";
import type { DecodeRequest } from "../../../../core/engine.ts";
import { streamTable } from "../../../../core/ingest/stream.ts";
import { KEPT_SEGMENT_BYTES_MAX } from "../../../../core/limits.ts";
import type { SqlEngine } from "../../../../core/ports.ts";
import { openWorkerEngine, workerEnvironment } from "../../../../sql/worker/client.ts";
import { type TempFolder, tempFolder } from "../../../support/temp-folder.ts";

const ENTRY = join(import.meta.dir, "../../../support/worker-entry.ts");
const TEXT_ENTRY = join(import.meta.dir, "../../../support/text-worker-entry.ts");
const MEMORY_BYTES = 1600 * 1024 * 1024;

function open({ path }: TempFolder, entry = ENTRY) {
  const engine = openWorkerEngine({
    command: [process.execPath, entry],
    environment: workerEnvironment(process.env),
    memoryBytes: MEMORY_BYTES,
    foreignMax: 1,
    warmMax: 1,
    folders: [],
    stagingFolder: join(path, "staging"),
    tempFolder: join(path, "temp"),
  });
  return { engine, [Symbol.asyncDispose]: () => engine.close() };
}

let requests = 0;

function decoding(folder: TempFolder, name: string, change: { readonly sizeBytes?: number } = {}) {
  const path = join(folder.path, name);
  writeFileSync(path, "x");
  const staging = join(folder.path, "staging", String(requests++));
  mkdirSync(staging, { recursive: true });
  const { read } = streamTable("s", "t", { into: "bronze.s_t", read: { format: "segment" } });
  const file = { name, path, sha256: "", sizeBytes: 1, fromByte: 0, newlines: 0, ...change };
  const limits = { rowsMax: 1, decodedBytesMax: 1, timeMs: 20_000, memoryBytes: MEMORY_BYTES };
  const request = { files: [file], read, staging, limits: { ...limits, threads: 1 } };
  return request as unknown as DecodeRequest; // parse: all that the worker of tests looks at
}

/** Who read it, and how many files it found where it was to write. */
async function reader(engine: SqlEngine, request: DecodeRequest) {
  const [file] = (await engine.decode(request)).files;
  return { pid: file?.rowsIn, left: file?.rowsQuarantined };
}

test("segments are decoded by one process; other formats, and many bytes, each by one of their own", async () => {
  await using folder = await tempFolder();
  await using opened = open(folder);
  const { engine } = opened;
  const { pid } = await reader(engine, decoding(folder, "a"));
  expect((await reader(engine, decoding(folder, "b"))).pid).toBe(pid);
  const large = { sizeBytes: KEPT_SEGMENT_BYTES_MAX + 1 };
  expect((await reader(engine, decoding(folder, "c", large))).pid).not.toBe(pid);
  const lines = decoding(folder, "d");
  const log = { ...lines, read: { ...lines.read, format: "parquet" as const } };
  expect((await reader(engine, log)).pid).not.toBe(pid);
  expect((await reader(engine, decoding(folder, "e"))).pid).toBe(pid);
});

test("they are looked at by the process that decodes them", async () => {
  await using folder = await tempFolder();
  await using opened = open(folder);
  const { engine } = opened;
  const { pid } = await reader(engine, decoding(folder, "a"));
  const { files, read, limits } = decoding(folder, "crash");
  const died = await engine.inspect({ files, read, limits, sampled: true }).catch((error) => error);
  expect(died.context).toMatchObject({ killed: "crash", file: "crash" });
  expect((await reader(engine, decoding(folder, "b"))).pid).not.toBe(pid);
});

test("small texts are read by it, once it is there and while their rows are as usual", async () => {
  await using folder = await tempFolder();
  await using opened = open(folder, TEXT_ENTRY);
  const { engine } = opened;
  const text = (name: string) => {
    const { read, ...request } = decoding(folder, name);
    return { ...request, read: { ...read, format: "json" }, source: "s" } as DecodeRequest; // parse: as above
  };
  const first = await reader(engine, text("a"));
  const { pid } = await reader(engine, decoding(folder, "b"));
  expect(first.pid).not.toBe(pid);
  expect((await reader(engine, text("c"))).pid).toBe(pid);
  const large = { ...text("d"), files: [{ ...text("d").files[0], sizeBytes: 2 ** 21 }] };
  expect((await reader(engine, large as DecodeRequest)).pid).not.toBe(pid); // parse: as above
  expect((await reader(engine, text("e"))).pid).toBe(pid);
  const odd = await reader(engine, text("odd"));
  expect(odd.pid).not.toBe(pid);
  expect(odd.left).toBe(0);
  // Others of the source are probably as odd.
  expect((await reader(engine, text("f"))).pid).not.toBe(pid);
});

test("where it dies of a small text, nothing is held against that", async () => {
  await using folder = await tempFolder();
  await using opened = open(folder, TEXT_ENTRY);
  const { engine } = opened;
  const { pid } = await reader(engine, decoding(folder, "a"));
  const request = decoding(folder, "first");
  const text = { ...request, read: { ...request.read, format: "json" }, source: "s" };
  const second = await reader(engine, text as DecodeRequest); // parse: as above
  expect(second.pid).not.toBe(pid);
  expect(second.left).toBe(0);
});

test("its engine sees what is staged, and not what was received", async () => {
  await using folder = await tempFolder();
  await using opened = open(folder);
  const refused = await opened.engine.decode(decoding(folder, "read")).catch((error) => error);
  expect(refused).toBeInstanceOf(LakeError);
  expect(refused.context.engine).toBe("permission");
});

test("where it dies the segment is read once more, by a process of its own, into an empty folder", async () => {
  await using folder = await tempFolder();
  await using opened = open(folder);
  const { engine } = opened;
  const { pid } = await reader(engine, decoding(folder, "a"));
  const second = await reader(engine, decoding(folder, "first"));
  expect(second.pid).not.toBe(pid);
  expect(second.left).toBe(0);
  const died = await engine.decode(decoding(folder, "crash")).catch((error) => error);
  expect(died.context).toMatchObject({ killed: "crash", file: "crash" });
});
