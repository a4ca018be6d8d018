/** Entries of `sources:` in tarn.yaml: dropped files, or what their `kind:` says. */

import type { JsonObject } from "../base/json.ts";
import { own } from "../base/json.ts";
import { nearestWord } from "../base/suggest.ts";
import type { StatedContract } from "../contract/stated.ts";
import type { FileSourceConfig } from "../ingest/contract.ts";
import type {
  LandingFrame,
  SourceKind,
  StreamConfig,
  TableLanding,
} from "../ingest/source-kind.ts";
import {
  type ContractReader,
  EVERY_TABLE,
  type FileSourceValues,
  fileSource,
  fileSourceShape,
  LANDING,
  LANDING_NAMES,
  type LandingValues,
  landingOf,
  MOVED_FROM,
} from "./file-source.ts";
import type { FileFormats } from "./read-options.ts";
import { type SeedSettings, type SeedValues, seedSettings, seedShape } from "./seeds.ts";
import { below, type Cursor, isRecord, report, type Shape, shown } from "./shape.ts";

/** The kinds that there are, and those of them that are loaded. */
export interface SourceKinds {
  readonly words: readonly string[];
  readonly byWord: Readonly<Record<string, SourceKind>>;
}

export const NO_KINDS: SourceKinds = { words: [], byWord: {} };

export type SourceEntry =
  | { readonly kind: null; readonly settings: FileSourceValues }
  | {
      readonly kind: string;
      readonly settings: unknown;
      readonly movedFrom?: string;
      readonly landing?: Readonly<Record<string, TableLanding>>;
    };

/** Without `kind:` an entry is dropped files. */
const FILES = "files";

/** Kinds that entries of plain data name. */
export function kindsNamed(data: unknown): readonly string[] {
  const sources = isRecord(data) ? data.sources : null;
  if (!isRecord(sources)) return [];
  return Object.values(sources).flatMap((entry) =>
    isRecord(entry) && typeof entry.kind === "string" ? [entry.kind] : [],
  );
}

/** What sources may be of. */
export interface SourceWords {
  /** That files of a source may be of. */
  readonly formats: FileFormats;
  /** That sources may be of, beside dropped files. */
  readonly kinds: SourceKinds;
}

/** How the entries under `sources:` are read. */
export interface SourceReader {
  readonly shape: Shape<SourceEntry>;
  /** Keys of a kind that a secret may stand in. */
  secretKeys(kind: string): readonly string[];
  /** What entries come to that had the shape; `cursor` is at `sources`. */
  configs(
    entries: ReadonlyMap<string, SourceEntry>,
    cursor: Cursor,
  ): { readonly sources: readonly FileSourceConfig[]; readonly streams: readonly StreamConfig[] };
  /** The same of `seeds:`, and of one entry of it. */
  readonly seedShape: Shape<SeedValues>;
  seed(name: string, values: SeedValues, cursor: Cursor): SeedSettings;
}

/** `contractAt` reads the contract documents that sources name, and keeps what is wrong with them. */
export function sourceReader(words: SourceWords, contractAt?: ContractReader): SourceReader {
  return {
    shape: sourceShape(words, contractAt ?? (() => null)),
    secretKeys: (kind) => own(words.kinds.byWord, kind)?.secrets ?? [],
    configs: (entries, cursor) => {
      const sources: FileSourceConfig[] = [];
      const streams: StreamConfig[] = [];
      for (const [name, entry] of entries) {
        const at = below(cursor, name);
        if (entry.kind === null) {
          sources.push(fileSource(name, entry.settings, words.formats, at, contractAt));
        } else streams.push({ name, ...entry });
      }
      checkTargets(sources, cursor);
      return { sources, streams };
    },
    seedShape: seedShape(words.formats),
    seed: (name, values, cursor) => seedSettings(name, values, words.formats, cursor, contractAt),
  };
}

function sourceShape(
  { formats, kinds }: SourceWords,
  contractAt: ContractReader,
): Shape<SourceEntry> {
  const files = fileSourceShape(formats);
  return {
    get schema() {
      const ofKinds = Object.values(kinds.byWord).map(({ word, settings }) =>
        withKind(word, withLandingKeys(settings.schema), true),
      );
      const { schema } = files;
      return ofKinds.length === 0
        ? schema
        : { anyOf: [withKind(FILES, schema, false), ...ofKinds] };
    },
    read: (value, cursor) => {
      const { kind = null, ...rest } = isRecord(value) ? value : {};
      if (kind === null || kind === FILES) {
        const settings = files.read(isRecord(value) ? rest : value, cursor);
        return settings === undefined ? undefined : { kind: null, settings };
      }
      const found = typeof kind === "string" ? own(kinds.byWord, kind) : undefined;
      if (found === undefined) {
        const words = [FILES, ...kinds.words];
        const near = typeof kind === "string" ? nearestWord(kind, words) : null;
        const hint = near === null ? `kinds are ${words.join(", ")}` : `did you mean "${near}"?`;
        return report(below(cursor, "kind"), `${shown(kind)} is no kind of source`, hint);
      }
      return streamEntry(found, rest, cursor, contractAt);
    },
    spell: () => ({}),
  };
}

/** Two sources may not write one table. */
function checkTargets(sources: readonly FileSourceConfig[], cursor: Cursor): void {
  const sourceByTable = new Map<string, string>();
  for (const source of sources) {
    const before = sourceByTable.get(source.into);
    if (before !== undefined) {
      const message = `sources "${before}" and "${source.name}" both land in ${source.into}`;
      report(below(cursor, source.name), message, "give one of them another into:", "key");
    }
    sourceByTable.set(source.into, source.name);
  }
}

/** Settings of a kind, and how its tables land: beside them for a kind with one table, else by table. */
function streamEntry(
  kind: SourceKind,
  given: Readonly<Record<string, unknown>>,
  cursor: Cursor,
  contractAt: ContractReader,
): SourceEntry | undefined {
  const { landing: byTable, moved_from: movedFrom, ...rest } = given;
  const isLanding = ([key]: readonly [string, unknown]): boolean => LANDING_NAMES.includes(key);
  const beside = Object.fromEntries(Object.entries(rest).filter(isLanding));
  const own = Object.fromEntries(Object.entries(rest).filter((entry) => !isLanding(entry)));
  const settings = kind.settings.read(own, cursor);
  if (settings === undefined) return undefined;
  const tables = kind.tables({ name: "", kind: kind.word, settings });
  const hasOne = tables.length === 1 && tables[0] === "";
  const [stray] = Object.keys(beside);
  if (stray !== undefined && !hasOne) {
    const hint = `say of which: landing: { ${tables[0] ?? "TABLE"}: { ${stray}: … } }, or "*" for all`;
    return report(below(cursor, stray), `a source of kind ${kind.word} has tables`, hint, "key");
  }
  if (byTable !== undefined && hasOne) {
    const hint = `write its keys beside kind: columns, schema, …`;
    return report(below(cursor, "landing"), `it has one table`, hint, "key");
  }
  const at = hasOne ? cursor : below(cursor, "landing");
  const said = hasOne ? (stray === undefined ? {} : { "": beside }) : (byTable ?? {});
  if (!hasOne) warnUnknown(Object.keys(isRecord(said) ? said : {}), tables, at);
  // The last of the names is the source's own.
  const stream = { name: String(cursor.path.at(-1) ?? ""), kind: kind.word, settings };
  const statedFor = ({ contract, into }: LandingValues, table: string): StatedContract | null => {
    const target = into === "" ? kind.table(stream, table).into : into;
    const names = [target, target.slice(target.indexOf(".") + 1), table, stream.name];
    return contract === null ? null : contractAt(contract, names);
  };
  const landing = landingByTable(kind.frame(settings), said, at, hasOne, statedFor);
  const moved =
    movedFrom === undefined ? null : MOVED_FROM.read(movedFrom, below(cursor, "moved_from"));
  return {
    ...{ kind: kind.word, settings },
    ...(typeof moved === "string" ? { movedFrom: moved } : {}),
    ...(landing === null ? {} : { landing }),
  };
}

/** A table that the settings do not name may still come, where they have globs. */
function warnUnknown(named: readonly string[], tables: readonly string[], cursor: Cursor): void {
  if (tables.length === 0) return;
  for (const table of named) {
    if (table === EVERY_TABLE || tables.includes(table)) continue;
    const { path } = below(cursor, table);
    const near = nearestWord(table, tables);
    const hint = near === null ? `they are ${tables.join(", ")}` : `did you mean "${near}"?`;
    const message = `"${table}" is none of the tables that are named`;
    cursor.issues.push({ path, at: "key", severity: "warning", message, hint });
  }
}

function landingByTable(
  frame: LandingFrame,
  given: unknown,
  cursor: Cursor,
  hasOne: boolean,
  statedFor: (values: LandingValues, table: string) => StatedContract | null,
): Readonly<Record<string, TableLanding>> | null {
  if (!isRecord(given)) return report(cursor, "expected tables with how they land") ?? null;
  const landings = Object.entries(given).flatMap(([table, keys]) => {
    const at = hasOne ? cursor : below(cursor, table);
    const values = LANDING.read(keys, at);
    if (values === undefined) return [];
    if (table === EVERY_TABLE && values.into !== "") {
      report(below(at, "into"), "all tables cannot land in one", "name each under landing:");
    }
    if (table === EVERY_TABLE && values.contract !== null) {
      report(below(at, "contract"), "a contract is of one table", "name each under landing:");
      return [];
    }
    return [[table, landingOf(values, frame, at, statedFor(values, table))] as const];
  });
  return landings.length === 0 ? null : Object.fromEntries(landings);
}

function withKind(word: string, schema: JsonObject, isNeeded: boolean): JsonObject {
  const properties = isRecord(schema.properties) ? schema.properties : {};
  const required = Array.isArray(schema.required) ? schema.required : [];
  return {
    ...schema,
    properties: { kind: { const: word }, ...properties },
    ...(isNeeded ? { required: ["kind", ...required] } : {}),
  };
}

/** The keys of how tables land: of the one table, or of each under `landing:`. */
function withLandingKeys(schema: JsonObject): JsonObject {
  const properties = isRecord(schema.properties) ? schema.properties : {};
  const own = isRecord(LANDING.schema.properties) ? LANDING.schema.properties : {};
  const landing = {
    type: "object",
    description: "How tables land, by their names; * for all that are not named.",
    additionalProperties: LANDING.schema,
  };
  const moved = { moved_from: MOVED_FROM.schema };
  return { ...schema, properties: { ...properties, ...moved, ...own, landing } };
}
