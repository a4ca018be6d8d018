/** Streams that got another name in tarn.yaml: what the old one read and landed is what the new one goes on from. */

import { LakeError } from "../base/errors.ts";
import type { Catalog } from "../ports.ts";
import { MOVED_FROM_NONE, type Move } from "./moved.ts";
import type { StreamConfig } from "./source-kind.ts";
import { knownName, positionName, positionOf } from "./stream.ts";

/**
 * The stream that this one is by another name, or why it cannot be told. Null for one with a past of its own, and for
 * one that is new. `goesOnFrom` says whether its kind reads on from a position of another stream.
 */
export async function streamMoveOf(
  catalog: Pick<Catalog, "ledger" | "fact" | "facts">,
  stream: StreamConfig,
  configured: ReadonlySet<string>,
  goesOnFrom: (position: string) => boolean,
): Promise<Move | null> {
  const { name, movedFrom = null } = stream;
  if ((await pastOf(catalog, name)) !== null) return null;
  const holder = await holderOf(catalog, name);
  if (holder !== null) return { kind: "ask", error: isTaken(stream, holder) };
  if (movedFrom === MOVED_FROM_NONE) return null;
  if (movedFrom === null) return await recognised(catalog, stream, configured, goesOnFrom);
  const past = await pastOf(catalog, movedFrom);
  if (past === null) return null;
  if (configured.has(movedFrom)) return { kind: "ask", error: isBoth(stream, movedFrom) };
  if (past.position !== null && !goesOnFrom(past.position)) {
    return { kind: "ask", error: isOther(stream, movedFrom) };
  }
  return { kind: "from", source: movedFrom };
}

/** A stream that nobody reads any more, and that this one may be. */
async function recognised(
  catalog: Pick<Catalog, "facts">,
  stream: StreamConfig,
  configured: ReadonlySet<string>,
  goesOnFrom: (position: string) => boolean,
): Promise<Move | null> {
  const prefix = positionName("");
  for (const [fact, value] of await catalog.facts("offset")) {
    const before = fact.slice(prefix.length);
    if (!fact.startsWith(prefix) || configured.has(before)) continue;
    const { position } = positionOf(value);
    if (position !== null && goesOnFrom(position)) {
      return { kind: "ask", error: isPerhaps(stream, before) };
    }
  }
  return null;
}

/** Null for a stream that nothing was ever read or landed of. */
async function pastOf(
  catalog: Pick<Catalog, "ledger" | "fact">,
  name: string,
): Promise<{ readonly position: string | null } | null> {
  const stored = await catalog.fact("offset", positionName(name));
  if (stored !== null) return positionOf(stored);
  const landed = await catalog.ledger.sources();
  const isOwn = ({ source }: { readonly source: string }) =>
    source === name || source.startsWith(`${name}.`);
  return landed.some(isOwn) ? { position: null } : null;
}

/** The stream that is known by this name outside; null: none is. */
async function holderOf(catalog: Pick<Catalog, "facts">, name: string): Promise<string | null> {
  const prefix = knownName("");
  for (const [fact, value] of await catalog.facts("setting")) {
    if (fact.startsWith(prefix) && value === name) return fact.slice(prefix.length);
  }
  return null;
}

function isPerhaps({ name }: StreamConfig, before: string): LakeError {
  return new LakeError(
    "config",
    `source ${name} is new, and ${before} was read before and is not in tarn.yaml any more`,
    {
      hint:
        `if it goes on where that stopped: moved_from: ${before} under ${name} in tarn.yaml; ` +
        `if it is another one: moved_from: ${MOVED_FROM_NONE}`,
      context: { source: name },
    },
  );
}

function isBoth({ name }: StreamConfig, from: string): LakeError {
  return new LakeError("config", `source ${name} is moved from ${from}, which is there still`, {
    hint: `take ${from} out of tarn.yaml, or moved_from out of ${name}`,
    context: { source: name },
  });
}

function isOther({ name, kind }: StreamConfig, from: string): LakeError {
  return new LakeError(
    "config",
    `source ${name} is moved from ${from}, which was of another kind than ${kind}`,
    {
      hint: `if it is another source: moved_from: ${MOVED_FROM_NONE}`,
      context: { source: name },
    },
  );
}

function isTaken({ name }: StreamConfig, holder: string): LakeError {
  return new LakeError(
    "config",
    `${name} is what ${holder} was called, and what its server and its tables call it still`,
    { hint: `give ${name} another name`, context: { source: name } },
  );
}
