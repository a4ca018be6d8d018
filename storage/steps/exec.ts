/** Runs a program over rows: Parquet to an Arrow IPC stream on its input, the stream on its output to Parquet. */

import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { type RecordBatch, RecordBatchReader, Table, tableFromIPC, tableToIPC } from "apache-arrow";
import { errorText, LakeError } from "../../core/base/errors.ts";
import { declaredTypeText } from "../../core/config/type-text.ts";
import type { StagedFile } from "../../core/engine.ts";
import type { Clock } from "../../core/ports.ts";
import type { StepOutput } from "../../core/steps.ts";
import type { Column, Schema } from "../../core/table/types.ts";
import { loadParquetWasm } from "../parquet/wasm.ts";
import { arrowSchema, fittedBatch, schemaOf } from "./arrow-types.ts";
import { EndWatch, STREAM_END, streamPiece } from "./ipc.ts";
import { Program } from "./program.ts";
import type { ExecTask } from "./wire.ts";

/** Rows that are handed over at a time. */
const BATCH_ROWS = 65_536;
/** Bytes of output that are gathered for a file. */
const FILE_BYTES = 64 * 1024 * 1024;
const FILE_MODE = 0o600;
/** Runs it to its end. `signal` ends it before. Throws `input` and `config`, with its last words. */
export async function execute(
  task: ExecTask,
  clock: Pick<Clock, "sleep">,
  signal: AbortSignal,
): Promise<StepOutput> {
  const { exec, folder, environment, host } = task;
  const { timeoutMs, memoryBytes, outputBytes } = exec;
  const own = [exec.command[0] ?? "", JSON.stringify(columnTexts(exec.columns))];
  const command = exec.isOwn ? [...host, ...own] : exec.command;
  const name = exec.command.join(" ");
  const limits = { timeoutMs, memoryBytes, outputBytes };
  const program = new Program({ command, name, folder, environment, clock, ...limits });
  const stop = (): void => program.kill();
  signal.addEventListener("abort", stop);
  let output: StepOutput;
  try {
    const written = program.write(inputStream(exec.inputs, exec.inputSchema));
    const read = outputFiles(program.output(), exec.staging).catch(noStream);
    [output] = await Promise.all([read, written]);
  } catch (thrown) {
    return await program.refuse(thrown);
  } finally {
    signal.removeEventListener("abort", stop);
  }
  await program.done();
  return output;
}

/** Names and types of columns, as a host of TypeScript is told them; null: the file says. */
function columnTexts(
  columns: readonly Column[] | null,
): readonly (readonly [string, string])[] | null {
  return columns?.map(({ name, type }) => [name, declaredTypeText(type)] as const) ?? null;
}

/** Rows of files as one stream, also where there are none. */
async function* inputStream(paths: readonly string[], schema: Schema): AsyncGenerator<Uint8Array> {
  const wasm = await loadParquetWasm();
  if (paths.length === 0) {
    yield tableToIPC(new Table(arrowSchema(schema, null)), "stream");
    return;
  }
  let isFirst = true;
  for (const path of paths) {
    const bytes = await readFile(path);
    for (let offset = 0; ; offset += BATCH_ROWS) {
      const part = wasm.readParquet(bytes, { batchSize: BATCH_ROWS, offset, limit: BATCH_ROWS });
      const table = tableFromIPC(part.intoIPCStream());
      if (table.numRows === 0 && offset > 0) break;
      yield streamPiece(table, isFirst);
      isFirst = false;
      if (table.numRows < BATCH_ROWS) break;
    }
  }
  yield STREAM_END;
}

/** What the reader of streams says of bytes that are none. */
function noStream(thrown: unknown): never {
  if (thrown instanceof LakeError) throw thrown;
  throw new LakeError("input", `wrote what is no Arrow IPC stream: ${errorText(thrown)}`);
}

/** The stream that a program writes, as files. */
async function outputFiles(
  pieces: AsyncIterable<Uint8Array>,
  staging: string,
): Promise<StepOutput> {
  const ended = new EndWatch(pieces);
  const reader = await RecordBatchReader.from(ended.pieces());
  await reader.open();
  if (ended.byteCount === 0) throw new LakeError("input", "wrote nothing");
  const schema = schemaOf(reader.schema);
  const files: StagedFile[] = [];
  let held: RecordBatch[] = [];
  let heldBytes = 0;
  const flush = async (): Promise<void> => {
    if (held.length === 0) return;
    files.push(await writeFileOf(held, join(staging, `step-${files.length}.parquet`)));
    held = [];
    heldBytes = 0;
  };
  for await (const batch of reader) {
    if (batch.numRows === 0) continue;
    held.push(fittedBatch(batch, schema));
    heldBytes += batch.data.byteLength;
    if (heldBytes >= FILE_BYTES) await flush();
  }
  await ended.drain();
  if (!ended.isWhole)
    throw new LakeError("input", "wrote a stream without an end, or something behind it");
  await flush();
  return { schema, files };
}

async function writeFileOf(batches: readonly RecordBatch[], path: string): Promise<StagedFile> {
  const wasm = await loadParquetWasm();
  const table = new Table([...batches]);
  const properties = new wasm.WriterPropertiesBuilder()
    .setCompression(wasm.Compression.ZSTD)
    .setWriterVersion(wasm.WriterVersion.V1)
    .build();
  const stream = tableToIPC(table, "stream");
  const bytes = wasm.writeParquet(wasm.Table.fromIPCStream(stream), properties);
  await writeFile(path, bytes, { flag: "wx", mode: FILE_MODE });
  const rows = BigInt(table.numRows);
  return { path, rows, sizeBytes: BigInt(bytes.byteLength), partition: [] };
}
