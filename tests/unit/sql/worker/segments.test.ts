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
const MEMORY_BYTES = 1600 * 1024 * 1024;

function open({ path }: TempFolder) {
  const engine = openWorkerEngine({
    command: [process.execPath, ENTRY],
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
  const log = { ...lines, read: { ...lines.read, format: "json" as const } };
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
