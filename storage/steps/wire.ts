/** What the engine and the process of a step tell each other: one JSON text each way. */

import { LakeError } from "../../core/base/errors.ts";
import type { LookupConfig } from "../../core/config/lookups.ts";
import type { Asked, AskRequest, ExecRequest, StepOutput } from "../../core/steps.ts";

/** What a process is to do. */
export type StepTask = ExecTask | AskTask;

/** Keys to be asked for, with whom to ask: values in place of secrets. It goes through a pipe and nowhere else. */
export interface AskTask {
  readonly kind: "ask";
  readonly request: AskRequest;
  readonly connection: LookupConfig;
  readonly folder: string;
}

/** A request with what only the engine knows: where the project is, and the values of what it may see. */
export interface ExecTask {
  readonly kind: "exec";
  readonly exec: ExecRequest;
  readonly folder: string;
  /** All that the program sees of the environment. */
  readonly environment: Readonly<Record<string, string>>;
  /** What runs a TypeScript file: a program and its first arguments. */
  readonly host: readonly string[];
}

export type StepAnswer =
  | { readonly kind: "made"; readonly output: WireOutput }
  | (Omit<Asked, "output"> & { readonly kind: "asked"; readonly output: WireOutput })
  | {
      readonly kind: "failed";
      readonly code: LakeError["code"];
      readonly message: string;
      readonly hint: string | null;
    };

interface WireOutput {
  readonly schema: StepOutput["schema"];
  readonly files: readonly {
    readonly path: string;
    readonly rows: string;
    readonly sizeBytes: string;
  }[];
}

export function outputToWire({ schema, files }: StepOutput): WireOutput {
  return {
    schema,
    files: files.map(({ path, rows, sizeBytes }) => ({
      path,
      rows: String(rows),
      sizeBytes: String(sizeBytes),
    })),
  };
}

export function outputFromWire({ schema, files }: WireOutput): StepOutput {
  return {
    schema,
    files: files.map(({ path, rows, sizeBytes }) => ({
      path,
      rows: BigInt(rows),
      sizeBytes: BigInt(sizeBytes),
      partition: [],
    })),
  };
}

export function failureOf(thrown: unknown): StepAnswer {
  if (thrown instanceof LakeError) {
    const { code, message, hint } = thrown;
    return { kind: "failed", code, message, hint };
  }
  return { kind: "failed", code: "internal", message: String(thrown), hint: null };
}
