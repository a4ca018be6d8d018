/** The kinds of sources beside dropped files, each a folder here and a line below. */

import type { SourceKinds } from "../../core/config/sources.ts";
import type { SourceKind } from "../../core/ingest/source-kind.ts";

/** By the word behind `kind:`; loaded with the first source of the kind. */
const KINDS: Readonly<Record<string, () => Promise<SourceKind>>> = {
  api: async () => (await import("./api/kind.ts")).API,
  pull: async () => (await import("./pull/kind.ts")).PULL,
  push: async () => (await import("./push/kind.ts")).PUSH,
  kafka: async () => (await import("./kafka/kind.ts")).KAFKA,
  log: async () => (await import("./log/kind.ts")).LOG,
  // The same by its other name.
  mariadb: async () => (await import("./mysql/kind.ts")).MYSQL,
  mysql: async () => (await import("./mysql/kind.ts")).MYSQL,
  postgres: async () => (await import("./postgres/kind.ts")).POSTGRES,
};

/** The kinds of these words, or all. Words that are no kind are left out. */
export async function sourceKinds(words: readonly string[] | "all"): Promise<SourceKinds> {
  const named = words === "all" ? Object.keys(KINDS) : words;
  const loaded = new Map<string, SourceKind>();
  for (const word of named) {
    const load = Object.hasOwn(KINDS, word) ? KINDS[word] : undefined;
    if (load !== undefined) loaded.set(word, await load());
  }
  return { words: Object.keys(KINDS), byWord: Object.fromEntries(loaded) };
}
