/** A ledger that knows what it is told, and a source whose claims are texts: for decisions over claims. */

import { sha256Hex } from "../../core/base/sha256.ts";
import type { TextEnd } from "../../core/engine.ts";
import type { Prefixes } from "../../core/ingest/decision.ts";
import type { Ledger, LedgerFile } from "../../core/ingest/ledger.ts";
import type { Claim } from "../../core/ingest/source.ts";
import { HEAD_BYTES } from "../../core/limits.ts";

/** One committed file row of a name. */
export interface Landed {
  readonly file: string;
  readonly text: string;
  readonly version?: number;
  readonly outcome?: LedgerFile["outcome"];
  /** What of its end is open; absent where that was not kept. */
  readonly end?: Partial<TextEnd>;
}

const LANDED = {
  batch: "b",
  source: "s",
  original: null,
  fromByte: 0,
  reason: null,
  rowsIn: 2,
  rowsLanded: 2,
  rowsQuarantined: 0,
  rowsDuplicate: 0,
  contractVersion: 1,
};
const DIALECT = {
  format: "csv",
  encoding: "utf-8",
  compression: "none",
  delimiter: ",",
  quote: null,
  header: true,
  escapeMark: null,
  comment: null,
  padded: false,
  closing: 0,
  mended: null,
  skip: 0,
  jsonLayout: null,
} as const;

function endOf(text: string, end: Partial<TextEnd>): TextEnd {
  const size = bytesOf(text).length;
  const whole = {
    size,
    byte: size,
    line: 0,
    lines: 0,
    rows: 0,
    aside: 0,
    isQuoted: false,
    unit: 1,
  };
  return { ...whole, ...end };
}

/** Committed rows in their order; the last of a name is what the name holds. */
export function ledgerOf(
  landed: readonly Landed[],
): Pick<Ledger, "latest" | "holders" | "shortSizes" | "withHead" | "setAside" | "files"> {
  const rows = landed.map(
    ({ file, text, version = 1, outcome = "landed", end = null }): LedgerFile => ({
      ...LANDED,
      landsAs: `batch of ${file} v${version}`,
      reading: end === null ? null : { dialect: DIALECT, columns: null, end: endOf(text, end) },
      file,
      version,
      sha256: sha256Hex(text),
      sizeBytes: bytesOf(text).length,
      modifiedMs: 0,
      inode: "1:1",
      original: text,
      head: sha256Hex(text.slice(0, HEAD_BYTES)),
      outcome,
    }),
  );
  return {
    files: async ({ file }) => rows.filter((row) => row.file === file),
    shortSizes: async () => rows.filter((row) => row.reading !== null).map((row) => row.sizeBytes),
    withHead: async (_source, heads) =>
      rows.filter((row) => row.reading !== null && heads.includes(row.head ?? "")),
    setAside: async () => rows.filter((row) => row.outcome === "quarantined"),
    latest: async (_source, files) =>
      new Map(rows.filter((row) => files.includes(row.file)).map((row) => [row.file, row])),
    holders: async (_source, sha256) => {
      const holding = rows.filter((row) => row.outcome !== "duplicate");
      return holding
        .filter((row) => row.sha256 === sha256)
        .map(({ file, version, outcome }) => ({
          file,
          aside: outcome === "quarantined",
          replaced: holding.some((row) => row.file === file && row.version > version),
        }));
    },
  };
}

/** Claims of files with these texts. */
export function claimsOf(textByFile: Readonly<Record<string, string>>): Claim[] {
  return Object.entries(textByFile).map(([file, text]): Claim => {
    const start = bytesOf(text).slice(0, HEAD_BYTES);
    return {
      file,
      original: `originals/${sha256Hex(text)}`,
      localPath: text,
      keptPath: text,
      sha256: sha256Hex(text),
      sizeBytes: bytesOf(text).length,
      modifiedMs: 0,
      inode: "1:2",
      start,
      head: sha256Hex(new TextDecoder().decode(start)),
      newlines: text.split("\n").length - 1,
    };
  });
}

/** Prefixes of claims whose path is their text. */
export const textPrefixes: Prefixes = {
  beginning: async (text, sizeMax) => {
    const path = "localPath" in text ? text.localPath : (text.original ?? "");
    const start = bytesOf(path).subarray(0, sizeMax);
    return { size: start.length, sha256: sha256Hex(new TextDecoder().decode(start)) };
  },
  prefixes: async (claim, sizes) => {
    const all = bytesOf(claim.localPath);
    const has = sizes.filter((size) => size > 0 && size <= all.length);
    return new Map(
      has.map((size) => {
        const head = new TextDecoder().decode(all.subarray(0, size));
        const around = all.subarray(size - 1, size + 4);
        return [size, { sha256: sha256Hex(head), newlines: head.split("\n").length - 1, around }];
      }),
    );
  },
};

function bytesOf(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}
