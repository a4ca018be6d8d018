/** Entries of `sources:` in tarn.yaml: dropped files, or what their `kind:` says. */

import type { JsonObject } from "../base/json.ts";
import { own } from "../base/json.ts";
import { nearestWord } from "../base/suggest.ts";
import type { SourceKind } from "../ingest/source-kind.ts";
import { type FileFormats, type FileSourceValues, fileSourceShape } from "./file-source.ts";
import { below, isRecord, report, type Shape, shown } from "./shape.ts";

/** The kinds that there are, and those of them that are loaded. */
export interface SourceKinds {
  readonly words: readonly string[];
  readonly byWord: Readonly<Record<string, SourceKind>>;
}

export const NO_KINDS: SourceKinds = { words: [], byWord: {} };

export type SourceEntry =
  | { readonly kind: null; readonly settings: FileSourceValues }
  | { readonly kind: string; readonly settings: unknown };

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

export function sourceShape({
  formats,
  kinds,
}: {
  readonly formats: FileFormats;
  readonly kinds: SourceKinds;
}): Shape<SourceEntry> {
  const files = fileSourceShape(formats);
  return {
    get schema() {
      const ofKinds = Object.values(kinds.byWord).map(({ word, settings }) =>
        withKind(word, settings.schema, true),
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
      const settings = found.settings.read(rest, cursor);
      return settings === undefined ? undefined : { kind: found.word, settings };
    },
    spell: () => ({}),
  };
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
