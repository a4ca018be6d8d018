/** Folders of a project that sources read, and what a source is that nobody wrote a line about. */

import type { FileSourceConfig, ReadOptions } from "../ingest/contract.ts";
import { MISFITS_SHARE, SETTLE_MS } from "../limits.ts";
import { SEEDS_LAYER } from "../table/name.ts";

/** The folder that sources without a `path` hang under. */
export const DROPS_FOLDER = "drops";
/** The folder that small tables of the project itself lie in, a file each. */
export const SEEDS_FOLDER = "seeds";
/** The folder that contract documents lie in. */
export const CONTRACTS_FOLDER = "contracts";
/** What is put right in what landed. */
export const CORRECTIONS_FOLDER = "corrections";
/** Bronze tables are partitioned so unless told otherwise. DESIGN, Settled. */
export const BRONZE_PARTITION: readonly string[] = ["day(_ingested_at)"];

/** How files are read of which nothing is said: all of it is found out. */
export const NOTHING_SAID: ReadOptions = {
  format: null,
  delimiter: null,
  quote: null,
  encoding: null,
  header: null,
  nulls: [],
  numbers: null,
  dates: null,
  sheet: null,
  sheets: null,
  headerRow: null,
  skip: null,
  escapeMark: null,
  comment: null,
  names: [],
  table: null,
  folders: true,
};

/**
 * A source without any key: dropped files at `path`, in `bronze.<name>`; `name` is a part of a table's name. It is what
 * the keys of a source come to by default, written out, so that a project without sources loads none of them.
 */
export function defaultSource(
  name: string,
  path: string,
  misfits = MISFITS_SHARE,
): FileSourceConfig {
  return {
    name,
    path,
    into: `bronze.${name}`,
    movedFrom: null,
    settleMs: SETTLE_MS,
    sameName: "version",
    sameBytes: "skip",
    onLanded: "keep",
    schema: "evolve",
    strangers: "hold",
    declared: null,
    required: [],
    beforeLanding: {},
    read: { ...NOTHING_SAID, misfits },
    partition: BRONZE_PARTITION,
  };
}

/** A seed: one file of the project, whose rows are all that its table holds. An edit of it is meant as a whole. */
export function seedSource(
  name: string,
  path: string,
  said: Partial<FileSourceConfig> = {},
  misfits = MISFITS_SHARE,
): FileSourceConfig {
  const into = `${SEEDS_LAYER}.${name}`;
  const { strangers: _, ...plain } = defaultSource(into, path, misfits);
  const source = { ...plain, partition: [], ...said };
  return { ...source, name: into, path, into, sameName: "replace", sameBytes: "land" };
}
