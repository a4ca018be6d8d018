/** Retries of rows whose original is not kept: their text alone, landed beside the rows of their file. */

import { sha256Hex } from "../base/sha256.ts";
import type { ClaimedFile } from "../engine.ts";
import { batchTimeMs } from "./batch-id.ts";
import { type DecodedGroup, decodeGroup } from "./decode-group.ts";
import type { LedgerFile } from "./ledger.ts";
import { WHOLE_FILE } from "./quarantine.ts";
import type { RedecodeJob } from "./redecode.ts";
import type { RetriedPart, RetryItem, RowsOfFile } from "./retry-item.ts";
import { keptText } from "./row-text.ts";

/** The rows of one file that decode by their text. */
export async function retryTexts(
  job: RedecodeJob,
  { file, items }: RowsOfFile,
): Promise<RetriedPart> {
  const given = items.map((item) => ({ ...item, text: textOf(item) }));
  const good = await sift(
    job,
    file,
    given.filter(({ text }) => text !== null),
  );
  const group = good.length === 0 ? null : await decodeItems(job, file, good);
  const isLanded = new Set(good.map(({ id }) => id));
  const failed = given.filter(({ id }) => !isLanded.has(id));
  const rowsLanded = file.rowsLanded + good.length;
  const rowsQuarantined = Math.max(0, file.rowsQuarantined - good.length);
  const retried = {
    before: file,
    after: { ...file, rowsLanded, rowsQuarantined, outcome: "landed" },
    landed: good,
    failed: failed.map(({ id, text, position }) => ({ id, why: whyNot(text, position) })),
    besides: [],
  } as const;
  return {
    files: [retried],
    target: group?.target ?? job.quarantine,
    staged: group?.outputs.flatMap((output) => output.data.files) ?? [],
    rejects: [],
    isWhole: false,
    contract: null,
    still: [],
  };
}

function whyNot(text: string | null, position: string): string | null {
  if (text !== null) return null;
  if (position === WHOLE_FILE) return "its bytes are not kept: drop the file again";
  return "its text is not kept whole: give the row with --raw";
}

/** Of a row that was cut when it was kept, and of a whole file, there is no text to land. */
function textOf(item: RetryItem): string | null {
  if (item.position === WHOLE_FILE) return null;
  if (item.text !== null) return item.text.trim() === "" ? null : item.text;
  return keptText(item);
}

/** The items that decode, found by halving: one bad row costs a few decodes, not one each. */
async function sift(
  job: RedecodeJob,
  file: LedgerFile,
  items: readonly RetryItem[],
): Promise<readonly RetryItem[]> {
  if (items.length === 0) return [];
  const group = await decodeItems(job, file, items);
  const landed = group.files.reduce((sum, one) => sum + one.rowsLanded, 0);
  const whole = group.files.every((one) => one.rowsLanded === one.rowsIn);
  if (group.setAside.length === 0 && whole && landed === items.length) return items;
  if (items.length === 1) return [];
  const middle = Math.ceil(items.length / 2);
  return [
    ...(await sift(job, file, items.slice(0, middle))),
    ...(await sift(job, file, items.slice(middle))),
  ];
}

async function decodeItems(
  job: RedecodeJob,
  file: LedgerFile,
  items: readonly RetryItem[],
): Promise<DecodedGroup> {
  const { ports, config, table, quarantine, budget } = job;
  const batch = file.landsAs;
  const folder = await ports.io.stagingFolder(`retry-${ports.random.uuid()}`);
  const format = file.reading?.dialect?.format ?? config.read.format;
  // The text is ours: it is UTF-8.
  const read = { ...config.read, encoding: "utf-8", format };
  const text = `${items.map((row) => row.text).join("\n")}\n`;
  const bytes = new TextEncoder().encode(text);
  const sha256 = sha256Hex(text);
  const path = `${folder}/${sha256}`;
  await ports.io.writeStaged(path, bytes);
  const claimed: ClaimedFile = {
    name: file.file,
    path,
    sha256,
    sizeBytes: bytes.length,
    fromByte: 0,
    newlines: items.length,
    isAside: true,
  };
  return decodeGroup(ports, {
    batch,
    ingestedAtMs: batchTimeMs(batch),
    // A correction must fit the contract there is; it does not change it.
    source: { ...config, schema: "quarantine", read },
    contract: await ports.catalog.ledger.contract(config.name),
    learns: "nothing",
    table,
    quarantine,
    files: [claimed],
    fixes: [],
    folder: `retry-${ports.random.uuid()}`,
    ...budget,
  });
}
