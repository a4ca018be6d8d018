/** Files and sources forgotten: what is meant by a name, and what became of it. */

import { existsSync } from "node:fs";
import { basename, isAbsolute, join, relative } from "node:path";
import { LakeError } from "../../core/base/errors.ts";
import { nearestWord } from "../../core/base/suggest.ts";
import type { SourceConfig } from "../../core/ingest/contract.ts";
import { type Forgotten, forgetFiles } from "../../core/ingest/forget.ts";
import type { TableName } from "../../core/table/types.ts";
import type { Session } from "../open.ts";
import { sourceConfigs } from "./sources.ts";

export interface ForgetRequest {
  /** A source, or a file as the ledger has it: its path in the project. */
  readonly what: string;
  /** The copies of the files too. */
  readonly originals: boolean;
  readonly dryRun: boolean;
}

export interface ForgottenSource extends Forgotten {
  readonly source: string;
  /** Files that lie where they were dropped. */
  readonly stillThere: readonly string[];
  /** When originals that nothing else names may leave the disk; null where they stay. */
  readonly originalsMs: number | null;
}

/** Throws `not-found` for what never landed, and for what was forgotten before. */
export async function forgetOf(
  session: Session,
  { what, originals, dryRun }: ForgetRequest,
): Promise<ForgottenSource[]> {
  const meant = await meantBy(session, what);
  const configs = await sourceConfigs(await refreshed(session));
  const done: ForgottenSource[] = [];
  for (const { source, table, file } of meant) {
    const known = configs.find(({ name, into }) => name === source && into === table);
    const config = known ?? (await goneSource(source, table));
    const forgotten = await forgetFiles(session.ports, config, { file }, session.settings, {
      dryRun,
    });
    const stillThere = forgotten.files.filter((name) => existsSync(join(session.root, name)));
    const isAsked = originals && !dryRun && forgotten.originals.length > 0;
    const originalsMs = isAsked ? await session.forgetOriginals(forgotten.originals) : null;
    done.push({ ...forgotten, source, stillThere, originalsMs });
  }
  const isNothing = done.every(({ files, originalsMs }) => files.length + (originalsMs ?? 0) === 0);
  if (!isNothing) return done;
  throw new LakeError("not-found", `nothing of ${what} is in the lake any more`, {
    hint: `what became of it: tarn sql -c "from lake.ledger where file = '…'"`,
  });
}

interface Meant {
  readonly source: string;
  readonly table: TableName;
  /** Null: all of the source. */
  readonly file: string | null;
}

async function meantBy(session: Session, what: string): Promise<Meant[]> {
  const { ledger } = session.catalog;
  const sources = await ledger.sources();
  const own = sources.filter(({ source, table }) => source === what || table === what);
  if (own.length > 0) return own.map((one) => ({ ...one, file: null }));
  const path = isAbsolute(what) ? relative(session.root, what) : what.replace(/^\.\//, "");
  const found: Meant[] = [];
  for (const one of sources) {
    const files = await ledger.files({ source: one.source, file: path });
    if (files.length > 0) found.push({ ...one, file: path });
  }
  if (found.length > 0) return found;
  throw await notFound(session, what, sources);
}

async function notFound(
  session: Session,
  what: string,
  sources: readonly { readonly source: string }[],
): Promise<LakeError> {
  const names = (await session.catalog.ledger.files({ live: true })).map(({ file }) => file);
  const named = names.find((name) => basename(name) === basename(what));
  const words = [...sources.map(({ source }) => source), ...names.slice(0, NAMES_MAX)];
  const near = named ?? nearestWord(what, words);
  return new LakeError("not-found", `no source and no file that landed is called "${what}"`, {
    hint: near === null ? `see: tarn sql -c "from lake.ledger"` : `did you mean "${near}"?`,
  });
}

/** Names looked through for the one that may have been meant. */
const NAMES_MAX = 5_000;

async function refreshed(session: Session): Promise<Session> {
  await (await session.drops()).refresh();
  return session;
}

/** One that tarn.yaml does not name any more. */
async function goneSource(source: string, into: TableName): Promise<SourceConfig> {
  const { defaultSource } = await import("../../core/config/default-source.ts");
  return { ...defaultSource(source, `drops/${source}/**`), into };
}
