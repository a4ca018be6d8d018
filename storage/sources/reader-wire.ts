/** What a reader and the engine tell each other: one JSON text a line. */

import { LakeError } from "../../core/base/errors.ts";
import type { Lag } from "../../core/ingest/lag.ts";
import type { ComingFile } from "../../core/ingest/source.ts";
import type { ReaderRequest, SealedStretch } from "../../core/ingest/stream.ts";

export type ToReader =
  | { readonly tell: "open"; readonly request: ReaderRequest }
  /** Another stretch is wanted. What comes before it is said, is sealed together. */
  | { readonly tell: "want" }
  /** How far it is behind. */
  | { readonly tell: "measure" }
  | { readonly tell: "acknowledge"; readonly position: string };

export type FromReader =
  | { readonly tell: "stretch"; readonly stretch: SealedStretch }
  /** It lives; sent at least every ALIVE_MS. */
  | { readonly tell: "alive"; readonly isCaughtUp: boolean }
  | { readonly tell: "lag"; readonly lag: Lag | null }
  | { readonly tell: "notice"; readonly text: string }
  | { readonly tell: "coming"; readonly segment: ComingFile }
  | { readonly tell: "dropped"; readonly paths: readonly string[] }
  | { readonly tell: "failed"; readonly error: WireError };

export interface WireError {
  readonly code: LakeError["code"];
  readonly message: string;
  readonly hint: string | null;
}

export const ALIVE_MS = 1_000;
/** A reader that says nothing for so long hangs. */
export const SILENT_MS = 60_000;
/** A stretch of so many bytes comes of a stream that is behind: the next is sealed while it lands. */
export const AHEAD_BYTES = 4 * 1024 * 1024;

export function toWire(thrown: unknown): WireError {
  if (thrown instanceof LakeError) {
    const { code, message, hint } = thrown;
    return { code, message, hint };
  }
  return { code: "internal", message: String(thrown), hint: null };
}

export function fromWire({ code, message, hint }: WireError, source: string): LakeError {
  return new LakeError(code, message, {
    ...(hint === null ? {} : { hint }),
    context: { source },
  });
}

/** The texts of a stream of bytes, line by line. */
export async function* linesOf(bytes: AsyncIterable<Uint8Array>): AsyncIterable<string> {
  const decoder = new TextDecoder();
  let rest = "";
  for await (const piece of bytes) {
    rest += decoder.decode(piece, { stream: true });
    for (let end = rest.indexOf("\n"); end >= 0; end = rest.indexOf("\n")) {
      yield rest.slice(0, end);
      rest = rest.slice(end + 1);
    }
  }
}
