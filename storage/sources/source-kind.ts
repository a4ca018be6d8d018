/** Makes a kind of source of what it says of itself. */

import { LakeError } from "../../core/base/errors.ts";
import type { KindOf, SourceKind, StreamConfig } from "../../core/ingest/source-kind.ts";

/** A kind whose streams are read in processes of their own, unless it opens them itself. */
export function sourceKind<T>(kind: KindOf<T>): SourceKind {
  const { word, settings, refuse, secrets } = kind;
  // parse: what the shape of the kind read
  const own = (given: unknown): T => given as T; // parse: above
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
      if (kind.open !== undefined) return await kind.open(stream.name, own(stream.settings), world);
      const { StreamSource } = await import("./stream-source.ts");
      const configOf = (table: string) => kind.table(stream.name, own(stream.settings), table);
      return new StreamSource(stream, world, configOf);
    },
    check: (stream, world) => kind.check(stream.name, own(stream.settings), world),
    readAgain: (position, table) => kind.readAgain?.(position, table) ?? null,
    read: async (request, world) => {
      if (kind.read !== undefined) return await kind.read(request, own(request.settings), world);
      throw new LakeError("internal", `${word} is read by the engine itself`);
    },
    tables: (stream: StreamConfig) => kind.tables(own(stream.settings)),
    table: (stream, table) => kind.table(stream.name, own(stream.settings), table),
  };
}
