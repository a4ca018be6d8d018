/** What programs are asked that make rows outside of the engine, and what they answer: the StepEngine port. */

import type { StagedFile } from "./engine.ts";
import type { Column, Schema } from "./table/types.ts";

/** Rows for a program, and how it may be run. */
export interface ExecRequest {
  /** Whose step it is, for messages. */
  readonly model: string;
  readonly command: readonly string[];
  /** tarn runs the one word of the command, a TypeScript file. */
  readonly isOwn: boolean;
  readonly env: readonly string[];
  /** Absolute paths of Parquet files with the rows, in order. */
  readonly inputs: readonly string[];
  /** Their columns, also where there is no file. */
  readonly inputSchema: Schema;
  /** The columns that it is to give; null: those that it gives. */
  readonly columns: readonly Column[] | null;
  readonly timeoutMs: number;
  readonly memoryBytes: number;
  readonly outputBytes: number;
  /** Absolute folder of the caller's making; all output goes here. */
  readonly staging: string;
}

/** Rows of a step as files, with the columns that they have. Field ids are those of `schema`. */
export interface StepOutput {
  readonly schema: Schema;
  readonly files: readonly StagedFile[];
}

/** Keys whose answers are wanted, and how they are had. */
export interface AskRequest {
  readonly model: string;
  /** Of `lookups:` of the project. */
  readonly from: string;
  readonly ask: string;
  readonly body: string | null;
  readonly items: string | null;
  readonly keys: readonly string[];
  /** Those of them that are whole numbers. */
  readonly numbers: readonly string[];
  readonly columns: readonly Column[];
  /** Of the inputs: set in the one row without a key, that says when the next of other answers runs out. */
  readonly until: string;
  readonly version: string;
  readonly ttlMs: number | null;
  readonly retryMs: number;
  readonly batch: number;
  /** Absolute paths of Parquet files with the keys, as texts. */
  readonly inputs: readonly string[];
  readonly staging: string;
}

/** Answers: key and columns as texts, what kind of answer it is, its error, when it was asked and by which version. */
export interface Asked {
  readonly output: StepOutput;
  /** How many of the answers are errors. */
  readonly errors: number;
  /** When the next answer runs out; 0 where keys are left to be asked, null: never. */
  readonly dueMs: number | null;
  /** Why it stopped before it was done; null: it did not. */
  readonly stopped: string | null;
}

/**
 * Runs what is no SQL, each in a process of its own. A program that fails, stalls, grows over its limits or answers
 * what cannot be read is LakeError `input`, with its last words; one that cannot be started is `config`.
 */
export interface StepEngine {
  exec(request: ExecRequest): Promise<StepOutput>;
  /** Asks, as long as a run may take. Throws `io` or `config` where not one answer was had. */
  ask(request: AskRequest): Promise<Asked>;
}
