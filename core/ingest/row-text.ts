/** What is to be read in place of quarantined rows: as a person gave it, or as the bytes of the file are by now. */

import { RAW_TEXT_CHARS_MAX } from "../limits.ts";
import type { ReadOptions } from "./contract.ts";
import { correct } from "./correction.ts";
import { limitsFor } from "./decode-group.ts";
import type { LedgerFile } from "./ledger.ts";
import { original, type RedecodeJob } from "./redecode.ts";
import type { RetryItem } from "./retry-item.ts";

export interface Texts {
  /** Null: the row as it stands in its file; undefined: nothing of it can be read, for `whyNot`. */
  readonly textOf: (item: RetryItem) => string | null | undefined;
  readonly whyNot: string;
}

/** Bytes that were no text are shown with `\xNN` for each: such a text is nobody's. */
export function isUndecodable({ reason }: RetryItem): boolean {
  return reason === "encoding";
}

/** The whole text of a row, as far as it was kept. */
export function keptText({ raw, reason }: RetryItem): string | null {
  const isWhole = raw.trim() !== "" && raw.length < RAW_TEXT_CHARS_MAX;
  return isWhole && reason !== "encoding" ? raw : null;
}

/**
 * Texts for the rows of one file. A field is set in the text of the file, never in what was kept to be shown; a row
 * that was set aside for its bytes is read under the encoding that tarn.yaml has now.
 */
export async function readTexts(
  job: RedecodeJob,
  file: LedgerFile,
  recorded: ReadOptions,
  items: readonly RetryItem[],
): Promise<Texts> {
  const { encoding } = job.config.read;
  const before = file.reading?.dialect?.encoding ?? recorded.encoding ?? "utf-8";
  const isOther = encoding !== null && encoding.toLowerCase() !== before.toLowerCase();
  const odd = items.filter((item) => isUndecodable(item) && item.text === null);
  const set = items.filter((item) => item.set !== null && !isUndecodable(item));
  const found = await rowTexts(job, file, recorded, set);
  const decoded = await rowTexts(job, file, { ...recorded, encoding }, isOther ? odd : []);
  const textOf = (item: RetryItem): string | null | undefined => {
    if (item.text !== null) return item.text;
    const from = isUndecodable(item) ? decoded : found;
    const text = from.texts[item.position] ?? (isUndecodable(item) ? undefined : keptText(item));
    if (item.set === null) return isUndecodable(item) ? text : null;
    return text === undefined || text === null ? undefined : correct(text, from.header, item.set);
  };
  const how = isOther ? `not text in ${encoding} either` : `not text in ${before}`;
  const whyNot =
    `its bytes are ${how}: set encoding: of ${job.config.name} in tarn.yaml and retry, ` +
    "or give the whole row with --raw";
  return { textOf, whyNot };
}

async function rowTexts(
  { ports, budget }: RedecodeJob,
  file: LedgerFile,
  read: ReadOptions,
  items: readonly RetryItem[],
) {
  if (items.length === 0) return { header: null, texts: {} };
  const files = [await original(ports.io, file)];
  const dialect = file.reading?.dialect ?? null;
  const encoding = read.encoding ?? dialect?.encoding ?? null;
  return ports.engine.rowTexts({
    files,
    read,
    dialect: dialect === null || encoding === null ? dialect : { ...dialect, encoding },
    positions: items.map(({ position }) => position),
    staging: await ports.io.stagingFolder(`texts-${ports.random.uuid()}`),
    limits: limitsFor(budget, files),
  });
}
