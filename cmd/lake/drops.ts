/** What lies under drops/ of a project: dealt to the sources that take it, and the tables they land in. */

import { readdirSync } from "node:fs";
import { join } from "node:path";
import { DROPS_FOLDER, SEEDS_FOLDER } from "../../core/config/default-source.ts";
import { sourcesFor } from "../../core/config/source-of-drop.ts";
import type { LakeConfig } from "../../core/config.ts";
import type { LandingPorts } from "../../core/ingest/landing.ts";
import type { TableName } from "../../core/table/types.ts";
import { FORMATS } from "../../sql/decode/formats.ts";
import { promptDisk, realDisk } from "../../storage/disk/durable.ts";
import type { Claims } from "../../storage/files/claim.ts";
import {
  type Drop,
  isTemporaryName,
  type ListDropsOptions,
  listDrops,
  lookAtDrop,
} from "../../storage/files/drops.ts";
import { Drops } from "../../storage/sources/files.ts";

/** What of an open lake its drops are read with. */
export interface DropsLake {
  /** Absolute folder of the project. */
  readonly root: string;
  /** As of now. */
  readonly config: LakeConfig;
  readonly ports: LandingPorts;
  claims(): Promise<Claims>;
}

/**
 * Listed when it is refreshed. An edit of tarn.yaml counts from the next listing on. A source that got another name is
 * recorded where the lake may be written.
 */
export function openDrops(lake: DropsLake, renames: "read" | "recorded"): Drops {
  const { root, ports } = lake;
  const disk = renames === "read" ? promptDisk : realDisk;
  return new Drops({
    list: (unchanged, onUnreadable) =>
      listAll({ projectRoot: root, disk, unchanged, onUnreadable }),
    look: (file) => lookAtDrop({ projectRoot: root, disk }, file),
    settings: () => lake.config,
    claims: () => lake.claims(),
    ledger: ports.catalog.ledger,
    renames,
    clock: ports.clock,
    io: ports.io,
    projectRoot: root,
    deal: (files) => sourcesFor(lake.config, files, FORMATS),
  });
}

/** Tables that sources land in: configured ones, and those of the folders and files under drops/. */
export async function sourceTables(
  root: string,
  config: LakeConfig,
): Promise<ReadonlyMap<TableName, string>> {
  // A folder is a source before its first file: as if one had been dropped.
  const listed = dropFolders(root).map((name) => `${DROPS_FOLDER}/${name}/first.csv`);
  for await (const drop of listAll({ projectRoot: root })) listed.push(drop.file);
  const { sources } = sourcesFor(config, listed, FORMATS);
  return new Map(sources.map((source) => [source.into, source.name]));
}

/** What is dropped, and the seeds of the project. */
async function* listAll(options: Omit<ListDropsOptions, "folder">): AsyncIterable<Drop> {
  for (const folder of [DROPS_FOLDER, SEEDS_FOLDER]) yield* listDrops({ ...options, folder });
}

function dropFolders(root: string): string[] {
  try {
    const entries = readdirSync(join(root, DROPS_FOLDER), { withFileTypes: true });
    const folders = entries.filter((entry) => entry.isDirectory());
    return folders.map((entry) => entry.name).filter((name) => !isTemporaryName(name));
  } catch {
    return [];
  }
}
