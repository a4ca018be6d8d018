/** Files landed by hand, as if they had been dropped. */

import { stat } from "node:fs/promises";
import { basename, relative } from "node:path";
import { LakeError } from "../../core/base/errors.ts";
import { defaultSource } from "../../core/config/default-source.ts";
import { formatNames } from "../../core/config/read-options.ts";
import type { FileSourceConfig } from "../../core/ingest/contract.ts";
import { type BuildSummary, buildOnce, NO_MODELS } from "../../core/lake.ts";
import { namePartFrom } from "../../core/table/name.ts";
import { FORMATS } from "../../sql/decode/formats.ts";
import type { Drop } from "../../storage/files/drops.ts";
import { Drops } from "../../storage/sources/files.ts";
import type { Session } from "../open.ts";
import type { Following } from "./build-request.ts";

/** Rows that came over a pipe, in a file of their own. */
export interface PipedRows {
  /** Absolute. */
  readonly path: string;
  /** What they are called in the ledger. */
  readonly name: string;
  readonly sha256: string;
  /** The name is that of a key: under it they land once, however often they are sent. */
  readonly isKeyed: boolean;
}

export interface LoadRequest {
  /** Absolute. */
  readonly files: readonly string[];
  readonly piped?: readonly PipedRows[];
  /** The table; null is what the file is called. */
  readonly into: string | null;
  /** Null is what the file turns out to be. */
  readonly format: string | null;
}

/** Failures are in the summary. Throws `not-found` and `input` for what is no file, and for a key of other rows. */
export async function loadOf(
  session: Session,
  request: LoadRequest,
  following: Following,
): Promise<BuildSummary> {
  const drops = await loadedDrops(session, request);
  return await buildOnce(session.ports, drops, NO_MODELS, session.settings, {
    select: new Set(),
    full: false,
    land: true,
    waitForSettle: true,
    batchBytes: session.config.batch.bytesMax,
    ...following,
  });
}

/** Files by hand as drops: named relative to the project where they are in it, absolute otherwise. */
async function loadedDrops(session: Session, request: LoadRequest): Promise<Drops> {
  const drops: Drop[] = [];
  for (const absolute of request.files) drops.push(await dropOf(session.root, absolute));
  const piped = new Set<string>();
  for (const rows of request.piped ?? []) {
    const drop = { ...(await dropOf(session.root, rows.path)), file: rows.name };
    if (await isLanded(session, sourceOf(session, drop, request).name, rows)) continue;
    piped.add(rows.name);
    drops.push(drop);
  }
  const configByFile = new Map(
    drops.map((drop) => {
      const config = sourceOf(session, drop, request);
      // Who sends the same bytes again means them again, but for a key.
      const sameBytes = piped.has(drop.file) ? ("land" as const) : config.sameBytes;
      return [drop.file, { ...config, sameBytes }] as const;
    }),
  );
  return new Drops({
    list: async function* () {
      yield* drops;
    },
    claims: () => session.claims(),
    ledger: session.catalog.ledger,
    clock: session.ports.clock,
    io: session.ports.io,
    projectRoot: session.root,
    deal: () => ({
      sources: [...new Map([...configByFile.values()].map((each) => [each.name, each])).values()],
      sourceByPath: configByFile,
      unclaimed: [],
    }),
  });
}

/** Whether rows landed under their key before. Throws `input` where others did. */
async function isLanded(session: Session, source: string, rows: PipedRows): Promise<boolean> {
  if (!rows.isKeyed) return false;
  const stem = rows.name.slice(0, rows.name.lastIndexOf("."));
  const names = ["txt", ...formatNames(FORMATS)].map((ending) => `${stem}.${ending}`);
  const [known] = (await session.catalog.ledger.latest(source, names)).values();
  if (known === undefined) return false;
  if (known.sha256 === rows.sha256) return true;
  throw new LakeError("input", `other rows landed in ${source} under this key`, {
    hint: "send these under a key of their own: --key",
  });
}

async function dropOf(root: string, absolute: string): Promise<Drop> {
  const inside = relative(root, absolute);
  const file = inside.startsWith("..") ? absolute : inside;
  try {
    const found = await stat(absolute, { bigint: true });
    if (!found.isFile()) {
      throw new LakeError("input", `${file} is not a regular file`, {
        hint: "name the files themselves, or drop the folder under drops/",
      });
    }
    return {
      file,
      absolute,
      sizeBytes: Number(found.size),
      modifiedMs: Number(found.mtimeMs),
      inode: `${found.dev}:${found.ino}`,
      changedNs: found.ctimeNs,
      kind: "file",
    };
  } catch (thrown) {
    if (thrown instanceof LakeError) throw thrown;
    throw new LakeError("not-found", `${file} cannot be read`, { cause: thrown });
  }
}

/** The source the file would have as a drop, or the one that `--into` and `--as` say. */
function sourceOf(session: Session, drop: Drop, request: LoadRequest): FileSourceConfig {
  const stem = namePartFrom(basename(drop.file).split(".", 1)[0] ?? drop.file);
  const name = request.into === null ? stem : request.into.replace(/^bronze\./, "");
  const known = session.config.sources.find(
    (source) => source.name === name || source.into === request.into,
  );
  const base = known ?? defaultSource(name, drop.file, session.config.misfits);
  const format = request.format ?? base.read.format;
  // Named by hand, not dropped: the file stays where it is.
  return { ...base, settleMs: 0, onLanded: "keep", read: { ...base.read, format } };
}
