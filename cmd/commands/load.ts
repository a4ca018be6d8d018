/** `tarn load FILE…|-`: lands files by hand, as if they had been dropped. */

import { rm, stat } from "node:fs/promises";
import { basename, dirname, relative, resolve } from "node:path";
import { LakeError } from "../../core/base/errors.ts";
import { defaultSource } from "../../core/config/file-source.ts";
import type { FileFormat, FileSourceConfig } from "../../core/ingest/contract.ts";
import { buildOnce } from "../../core/lake.ts";
import { isNamePart, namePartFrom } from "../../core/table/name.ts";
import type { Drop } from "../../storage/files/drops.ts";
import { Drops } from "../../storage/sources/files.ts";
import { defineTool } from "../command.ts";
import { EXIT } from "../exit.ts";
import type { Session } from "../open.ts";
import { BuildScreen } from "../render/screen.ts";
import { type EngineCommand, onEngine } from "../serve/engine-command.ts";
import { spoolStdin } from "./stdin.ts";

export interface LoadArgs {
  /** Absolute. */
  readonly files: readonly string[];
  readonly into: string | null;
  readonly format: string | null;
}

const FORMATS: readonly FileFormat[] = ["csv", "json", "parquet", "avro", "xlsx"];

export const runLoad: EngineCommand<LoadArgs> = async (session, args, terminal, signal) => {
  const drops = await loadedDrops(session, args);
  const screen = new BuildScreen(terminal, session.ports.clock.nowMs());
  const none = { nodes: [], names: NO_NAMES, descendants: () => new Set<string>() };
  const summary = await buildOnce(session.ports, drops, none, session.settings, {
    select: new Set(),
    full: false,
    land: true,
    waitForSettle: true,
    batchBytes: session.config.batch.bytesMax,
    signal,
    onEvent: (event) => screen.show(event),
  });
  screen.finish(summary, session.ports.clock.nowMs(), []);
  return summary.landFailures > 0 ? EXIT.data : EXIT.ok;
};

const NO_NAMES = {
  resolve: (): never => {
    throw new LakeError("internal", "load builds no models");
  },
  view: () => null,
};

/** Files by hand as drops: named relative to the project where they are in it, absolute otherwise. */
async function loadedDrops(session: Session, args: LoadArgs): Promise<Drops> {
  const drops: Drop[] = [];
  for (const absolute of args.files) drops.push(await dropOf(session.root, absolute));
  const configByFile = new Map(
    drops.map((drop) => [drop.file, sourceOf(session, drop, args)] as const),
  );
  return new Drops({
    list: async function* () {
      yield* drops;
    },
    claims: session.claims,
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
      kind: "file",
    };
  } catch (thrown) {
    if (thrown instanceof LakeError) throw thrown;
    throw new LakeError("not-found", `${file} cannot be read`, { cause: thrown });
  }
}

/** The source the file would have as a drop, or the one that `--into` and `--as` say. */
function sourceOf(session: Session, drop: Drop, args: LoadArgs): FileSourceConfig {
  const stem = namePartFrom(basename(drop.file).split(".", 1)[0] ?? drop.file);
  const name = args.into === null ? stem : args.into.replace(/^bronze\./, "");
  const known = session.config.sources.find(
    (source) => source.name === name || source.into === args.into,
  );
  const base = known ?? defaultSource(name, drop.file);
  const format = FORMATS.find((candidate) => candidate === args.format) ?? base.read.format;
  // Named by hand, not dropped: the file stays where it is.
  return { ...base, settleMs: 0, onLanded: "keep", read: { ...base.read, format } };
}

/** Rows land in bronze: `orders` or `bronze.orders`. */
function checkInto(into: string | null): void {
  if (into === null) return;
  const name = into.replace(/^bronze\./, "");
  if (isNamePart(name) && name === name.toLowerCase()) return;
  throw new LakeError("usage", `--into ${into} is not a table of bronze`, {
    hint: `files land in bronze, under a lower-case name: --into bronze.${namePartFrom(name)}`,
  });
}

export const command = defineTool({
  name: "load",
  description: "Land files once, or rows from stdin (-), as if they had been dropped.",
  args: {
    into: { type: "string", valueHint: "bronze.x", description: "the table; else the file's name" },
    as: { type: "string", valueHint: "csv|json|…", description: "the format; else found out" },
  },
  examples: ["tarn load ~/Downloads/orders.csv", "curl … | tarn load - --into events --as json"],
  run: async (invocation) => {
    const { args, signal } = invocation;
    if (args._.length === 0) {
      throw new LakeError("usage", "load needs files, or - for stdin", {
        hint: "tarn load orders.csv",
      });
    }
    const format = args.as ?? null;
    if (format !== null && !FORMATS.some((known) => known === format)) {
      throw new LakeError("usage", `"${format}" is not a format`, { hint: FORMATS.join(", ") });
    }
    checkInto(args.into ?? null);
    const files: string[] = [];
    const spooled: string[] = [];
    try {
      for (const file of args._) {
        if (file !== "-") files.push(resolve(file));
        else spooled.push(await spoolStdin(args.into, format, signal));
      }
      const all = [...files, ...spooled];
      return await onEngine(invocation, "load", { files: all, into: args.into ?? null, format });
    } finally {
      for (const path of spooled) await rm(dirname(path), { recursive: true, force: true });
    }
  },
});
