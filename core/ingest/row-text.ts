/** What is to be read in place of quarantined rows: as a person gave it, or as the bytes of the file are by now. */

import type { RowTexts } from "../engine.ts";
import { RAW_TEXT_CHARS_MAX } from "../limits.ts";
import type { Contract, ReadOptions, SourceConfig } from "./contract.ts";
import { limitsFor } from "./decode-group.ts";
import type { LedgerFile } from "./ledger.ts";
import { original, type RedecodeJob } from "./redecode.ts";
import type { RetryItem, RowsOfFile } from "./retry-item.ts";

/** The text to read for a row, null for the row as it stands in its file; or why there is none. */
export type TextOf = (
  file: LedgerFile,
  item: RetryItem,
) => { readonly text: string | null } | { readonly why: string };

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
 * Texts for the rows of files, read together. Fields are set in the text of the file, and in what was kept to be shown
 * only where the file has none; a row that was set aside for its bytes is read under the encoding that tarn.yaml has
 * now.
 */
export async function readTexts(
  job: RedecodeJob,
  all: readonly RowsOfFile[],
  { read: recorded }: Pick<SourceConfig, "read">,
  { set, contract }: { readonly set: string | null; readonly contract: Contract | null },
): Promise<TextOf> {
  const { encoding } = job.config.read;
  const before = (file: LedgerFile): string =>
    file.reading?.dialect?.encoding ?? recorded.encoding ?? "utf-8";
  // A file whose byte order mark says otherwise was read by that, and is not another one for what is said still.
  const said = recorded.encoding?.toLowerCase();
  const isOther = (file: LedgerFile): boolean =>
    encoding !== null &&
    encoding.toLowerCase() !== said &&
    encoding.toLowerCase() !== before(file).toLowerCase();
  const plain = rowsWhere(all, (item) => set !== null && !isUndecodable(item));
  const odd = rowsWhere(all, isUndecodable).filter(({ file }) => isOther(file));
  const how = { set, numbers: numbersOf(contract) };
  const found = await rowTexts(job, plain, recorded, { ...how, encoding: null });
  const decoded = await rowTexts(job, odd, { ...recorded, encoding }, { ...how, encoding });
  return (file, item) => {
    if (item.text !== null) return { text: item.text };
    const isOdd = isUndecodable(item);
    const own = (isOdd ? decoded : found).get(file.file);
    const why = own?.unset[item.position];
    if (why !== undefined) return { why };
    const text = own?.texts[item.position];
    if (isOdd && text === undefined) {
      const what = isOther(file) ? `not text in ${encoding} either` : `not text in ${before(file)}`;
      return { why: undecodable(what, job.config.name) };
    }
    if (isOdd || set === null) return { text: isOdd ? (text ?? null) : null };
    return text === undefined ? { why: NOT_KEPT } : { text };
  };
}

const NUMBERS: ReadonlySet<string> = new Set(["int", "long", "float", "double", "decimal"]);

function numbersOf(contract: Contract | null): string[] {
  const columns = contract?.columns ?? [];
  return columns.flatMap(({ source, type }) => {
    const isNumber =
      type.kind === "decimal" || (type.kind === "primitive" && NUMBERS.has(type.name));
    return isNumber ? [source.toLowerCase()] : [];
  });
}

const NOT_KEPT = "its text is not kept whole: give the row with --raw";

function undecodable(how: string, source: string): string {
  return (
    `its bytes are ${how}: set encoding: of ${source} in tarn.yaml and retry, ` +
    "or give the whole row with --raw"
  );
}

function rowsWhere(
  all: readonly RowsOfFile[],
  isAsked: (item: RetryItem) => boolean,
): RowsOfFile[] {
  return all.flatMap(({ file, items }) => {
    const own = items.filter((item) => item.text === null && isAsked(item));
    return own.length === 0 ? [] : [{ file, items: own }];
  });
}

async function rowTexts(
  { ports, budget }: RedecodeJob,
  all: readonly RowsOfFile[],
  read: ReadOptions,
  given: {
    readonly set: string | null;
    readonly numbers: readonly string[];
    /** In place of the one that a file was read by. */
    readonly encoding: string | null;
  },
): Promise<ReadonlyMap<string, RowTexts["files"][number]>> {
  if (all.length === 0) return new Map();
  const { encoding: other, ...how } = given;
  const files = await Promise.all(all.map(({ file }) => original(ports.io, file)));
  const answer = await ports.engine.rowTexts({
    files: files.map((file, index) => {
      const { file: recorded, items = [] } = all[index] ?? {};
      const dialect = recorded?.reading?.dialect ?? null;
      const encoding = other ?? dialect?.encoding ?? null;
      return {
        ...file,
        dialect: dialect === null || encoding === null ? dialect : { ...dialect, encoding },
        rows: items.map((item) => ({ position: item.position, kept: keptText(item) })),
      };
    }),
    read,
    ...how,
    staging: await ports.io.stagingFolder(`texts-${ports.random.uuid()}`),
    limits: limitsFor(budget, files),
  });
  return new Map(answer.files.map((file) => [file.name, file]));
}
