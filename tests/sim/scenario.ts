/** What a story is about: its steps, the world around the lake, and what must hold of the lake at any time. */

import type { LandingPorts } from "../../core/ingest/landing.ts";
import type { Originals, Source } from "../../core/ingest/source.ts";
import type { StreamConfig } from "../../core/ingest/source-kind.ts";
import type { CorrectionFile } from "../../core/model/correction-file.ts";
import type { Model } from "../../core/model/model.ts";
import type { Clock, Random } from "../../core/ports.ts";
import type { StepEngine } from "../../core/steps.ts";
import type { Table, TableName } from "../../core/table/types.ts";
import type { LakeCatalog } from "../../storage/catalog/sqlite.ts";
import type { Disk } from "../../storage/disk/disk.ts";
import type { ModelCheck, TableFiles } from "./model-check.ts";
import type { FileRow } from "./row-reader.ts";

/** A command of the user's; a scenario may have actions of its own. */
export type Action =
  | "build"
  | "replay"
  /** Windows of late rows computed again. */
  | "repair"
  | "maintain"
  /** Makes the files of every table few. */
  | "compact"
  /** Lands rows that were set aside, mended by one expression. */
  | "retry"
  /** Forgets files, with their originals. */
  | "forget"
  /** Statements that change tables. */
  | "statements"
  /** Takes the last run of a model back, with what was built on it. */
  | "undo"
  /** Bronze again from its originals. */
  | "originals"
  /** Reads all originals of a table again, and builds. */
  | "reread"
  /** A table is to be read again from where it came. */
  | "again"
  | "pause"
  | "resume";

/** One command of the user's, with what he does before it. */
export interface Step {
  readonly name: string;
  readonly action: Action;
  readonly models: readonly Model[];
  /** What a retry sets. */
  readonly set?: string;
  /** Statements, one behind the other. */
  readonly sql?: string;
  /** The model whose run is taken back. */
  readonly undone?: TableName;
  /** What holds of corrections from now on; absent: none do. */
  readonly corrections?: readonly CorrectionFile[];
  /** Files that are forgotten. */
  readonly files?: readonly string[];
}

/** What one process has of the lake, for sources of a scenario. */
export interface Attaching {
  readonly ports: LandingPorts;
  readonly originals: Originals;
  readonly project: string;
  /** The disk of the lake, and the world's beside it. */
  readonly disk: Disk;
  readonly index: number;
  readonly life: number;
}

/** Sources that a scenario brings into one process. */
export interface Attached {
  /** Those that are read now: asked at each refresh. */
  sources(): Promise<readonly Source[]>;
  /** Whoever sends begins to. */
  begin(): Promise<void>;
  close(): Promise<void>;
  /** Actions that are the scenario's own. */
  act(
    action: "reread" | "again" | "pause" | "resume",
    streams: readonly StreamConfig[],
  ): Promise<void>;
}

export type Expect = (what: string, holds: boolean) => void;

/** A lake, looked at from outside. */
export interface LakeView {
  readonly catalog: LakeCatalog;
  /** Of model tables, asked of another engine. */
  readonly models: ModelCheck;
  /** Rows by a reader that is not the engine's, without what position deletes take out. */
  rowsAt(table: Table, snapshotId: bigint | null): Promise<FileRow[]>;
  /** The ids of the same rows, by format v3: as they are stored, else counted from their file's. */
  rowIdsAt(table: Table, snapshotId: bigint | null): Promise<(bigint | null)[]>;
  filesAt(table: Table, snapshotId: bigint | null): Promise<TableFiles>;
}

export interface Scenario {
  readonly name: string;
  readonly steps: readonly Step[];
  /** Names in the ledger. */
  readonly sources: readonly string[];
  readonly sourceByTable: ReadonlyMap<TableName, string>;
  /** Rows of a data file that is written again when it loses some; null: as the lake has it. */
  readonly rewrittenRowsMax: number | null;
  /** What `tarn.yaml` says. */
  readonly config: Readonly<Record<string, unknown>>;
  /** Makes what lies around the lake as it is when a step begins. May be called again. */
  prepare(project: string, index: number): void;
  attach(options: Attaching): Promise<Attached>;
  /** Whom lookups ask; absent: there are none. */
  stepEngine?(clock: Clock, random: Random): StepEngine;
  /** What the world remembers, whatever becomes of the lake: servers, senders. */
  memory(): unknown;
  recall(memory: unknown): void;
  /** What must hold. `complete`: everything must be in, and all models up to date. */
  check(view: LakeView, complete: boolean, expect: Expect): Promise<void>;
}

/** The time at which every simulated lake begins: later than any real file. */
export const START_MS = Date.UTC(2031, 0, 1, 12);

export const NOTHING_OUTSIDE: Attached = {
  sources: async () => [],
  begin: async () => {},
  close: async () => {},
  act: async (action) => {
    throw new Error(`nothing here can ${action}`);
  },
};
