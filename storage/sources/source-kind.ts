/** Makes a kind of source of what it says of itself. */

import { errorText, LakeError } from "../../core/base/errors.ts";
import { EVERY_TABLE } from "../../core/config/file-source.ts";
import { redactor, withSecrets } from "../../core/config/secret.ts";
import type { SourceConfig } from "../../core/ingest/contract.ts";
import type { Finds } from "../../core/ingest/discovery.ts";
import { feedColumns } from "../../core/ingest/feed.ts";
import type {
  CheckWorld,
  DiscoverWorld,
  KindOf,
  LandingFrame,
  SourceFinding,
  SourceKind,
  StreamConfig,
} from "../../core/ingest/source-kind.ts";
import { tableSource } from "../../core/ingest/stream.ts";

/** Of rows that are no changes: their columns are all that there are. */
export const PLAIN: LandingFrame = { isFeed: false, columns: (own) => own };

/** A kind whose streams are read in processes of their own, unless it opens them itself. */
export function sourceKind<T>(kind: KindOf<T>): SourceKind {
  const { word, settings, refuse, secrets } = kind;
  // parse: what the shape of the kind read
  const own = (given: unknown): T => given as T; // parse: above
  const tableOf = (stream: StreamConfig, table: string): SourceConfig => {
    const config = kind.table(stream.knownAs ?? stream.name, own(stream.settings), table);
    return withLanding({ ...config, name: tableSource(stream.name, table) }, stream, table);
  };
  return {
    word,
    secrets,
    settings: {
      get schema() {
        return settings.schema;
      },
      read: (value, cursor) => {
        const read = settings.read(value, cursor);
        if (read !== undefined) refuse?.(read, cursor);
        return read;
      },
      spell: () => ({}),
    },
    open: async (stream, world) => {
      const reveal = () => withSecrets(stream.settings, world.secretOf);
      const configOf = (table: string) => tableOf(stream, table);
      if (kind.open !== undefined) {
        return await kind.open(stream.name, own(await reveal()), world, configOf);
      }
      const { StreamSource } = await import("./stream-source.ts");
      const revealed = async () => {
        const known = await reveal();
        return { settings: known, redact: redactor(known, secrets) };
      };
      return new StreamSource(stream, world, { configOf, revealed });
    },
    check: async (stream, world) => await checked(kind, stream, world),
    schemes: kind.discover?.schemes ?? [],
    entryOf: (address) => kind.discover?.entryOf(address) ?? {},
    discover: async (stream, world) => await discovered(kind, stream, world),
    count: async (stream, asks, world) => {
      if (kind.count === undefined) return null;
      return await kind.count(own(await withSecrets(stream.settings, world.secretOf)), asks, world);
    },
    goesOnFrom: (position) => {
      try {
        return kind.goesOnFrom !== undefined && kind.goesOnFrom(position) !== false;
      } catch {
        return false;
      }
    },
    readAgain: (position, table) => kind.readAgain?.(position, table) ?? null,
    read: async (request, world) => {
      if (kind.read !== undefined) return await kind.read(request, own(request.settings), world);
      throw new LakeError("internal", `${word} is read by the engine itself`);
    },
    tables: (stream: StreamConfig) => kind.tables(own(stream.settings)),
    frame: (given) => kind.frame?.(own(given)) ?? { isFeed: true, columns: feedColumns },
    table: tableOf,
  };
}

/** A table as tarn.yaml says that it lands. */
function withLanding(config: SourceConfig, { landing }: StreamConfig, table: string): SourceConfig {
  if (landing === undefined) return config;
  const own = landing[table] ?? landing[EVERY_TABLE] ?? {};
  // What is received together is kept together.
  const isUnkept = Object.values(landing).some(({ beforeLanding = {} }) => !isEmpty(beforeLanding));
  return { ...config, ...own, ...(isUnkept ? { isUnkept } : {}) };
}

function isEmpty(expressions: Readonly<Record<string, string>>): boolean {
  return Object.keys(expressions).length === 0;
}

async function discovered<T>(
  { discover, secrets }: KindOf<T>,
  { settings }: StreamConfig,
  world: DiscoverWorld,
): Promise<Finds | null> {
  if (discover === undefined) return null;
  const known = await withSecrets(settings, world.secretOf);
  try {
    // parse: what the shape of the kind read, with its secrets told
    return await discover.find(known as T, world); // parse: above
  } catch (thrown) {
    if (!(thrown instanceof LakeError)) throw thrown;
    const redact = redactor(known, secrets);
    const { code, message, hint } = thrown;
    throw new LakeError(code, redact(message), hint === null ? {} : { hint: redact(hint) });
  }
}

/** A secret that cannot be had is a finding, and the only one. What is found says no secret. */
async function checked<T>(
  kind: KindOf<T>,
  { name, knownAs, settings }: StreamConfig,
  world: CheckWorld,
): Promise<readonly SourceFinding[]> {
  let known: unknown;
  try {
    known = await withSecrets(settings, world.secretOf);
  } catch (thrown) {
    const hint = thrown instanceof LakeError ? thrown.hint : null;
    const todo = hint === null ? {} : { todo: hint };
    return [{ what: "secret", state: "bad", text: errorText(thrown), ...todo }];
  }
  const redact = redactor(known, kind.secrets);
  // parse: what the shape of the kind read, with its secrets told
  const findings = await kind.check(knownAs ?? name, known as T, world); // parse: above
  return findings.map((finding) => ({ ...finding, text: redact(finding.text) }));
}
