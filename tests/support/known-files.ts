/** A ledger that knows what it is told, and a source whose claims are texts: for decisions over claims. */

import { sha256Hex } from "../../core/base/sha256.ts";
import type { KnownFile, Ledger } from "../../core/ingest/ledger.ts";
import type { Batch, Claim, Source } from "../../core/ingest/source.ts";

/** One committed file row of a name. */
export interface Landed {
  readonly file: string;
  readonly text: string;
  readonly version?: number;
  readonly outcome?: KnownFile["outcome"];
}

/** Committed rows in their order; the last of a name is what the name holds. */
export function ledgerOf(landed: readonly Landed[]): Pick<Ledger, "known" | "holders"> {
  const rows = landed.map(
    ({ file, text, version = 1, outcome = "landed" }): KnownFile => ({
      file,
      version,
      sha256: sha256Hex(text),
      sizeBytes: bytesOf(text).length,
      modifiedMs: 0,
      inode: "1:1",
      outcome,
    }),
  );
  return {
    known: async (_source, files) =>
      new Map(rows.filter((row) => files.includes(row.file)).map((row) => [row.file, row])),
    holders: async (_source, sha256) => {
      const holding = rows.filter((row) => row.outcome !== "duplicate");
      return holding
        .filter((row) => row.sha256 === sha256)
        .map(({ file, version }) => ({
          file,
          replaced: holding.some((row) => row.file === file && row.version > version),
        }));
    },
  };
}

/** A batch of files with these texts. */
export function batchOf(textByFile: Readonly<Record<string, string>>): Batch {
  const claims = Object.entries(textByFile).map(
    ([file, text]): Claim => ({
      file,
      original: `originals/${sha256Hex(text)}`,
      localPath: text,
      keptPath: text,
      sha256: sha256Hex(text),
      sizeBytes: bytesOf(text).length,
      modifiedMs: 0,
      inode: "1:2",
      newlines: text.split("\n").length - 1,
    }),
  );
  return { source: "s", claims, refused: [], more: false };
}

/** Prefixes of claims whose path is their text. */
export const textPrefix: Pick<Source, "prefix"> = {
  prefix: async (claim, bytes) => {
    const all = bytesOf(claim.localPath);
    const head = new TextDecoder().decode(all.subarray(0, bytes));
    const behind = new TextDecoder().decode(all.subarray(bytes));
    const lineEnd = head.endsWith("\n") ? 0 : (/^\r?\n/.exec(behind)?.[0].length ?? null);
    return { sha256: sha256Hex(head), newlines: head.split("\n").length - 1, lineEnd };
  },
};

function bytesOf(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}
