/** Which modules that are imported late come with each other in the binary. */

import { resolve } from "node:path";
import { type BunPlugin, Glob } from "bun";

/**
 * To the bundler every module that is imported late is an entry of its own, and what two entries share becomes a chunk:
 * with nothing said, `status` reads 55 chunks of which half hold less than 2 kB, at a tenth of a millisecond each. So
 * what reads a project is one part, what reads tables another, what looks at a lake a third, what changes it a fourth.
 * The engine's own modules stay apart, and so do commands that bring a library with them (`init`, `up`, `config`,
 * `contract`): they are large.
 */
const PARTS: readonly (readonly string[])[] = [
  [
    "cmd/project/model-tools.ts",
    "core/config/sources.ts",
    "core/model/parse.ts",
    "sql/decode/formats.ts",
  ],
  [
    "cmd/lake/table-lookup.ts",
    "storage/catalog/version.ts",
    "storage/iceberg/manifest.ts",
    "storage/iceberg/metadata.ts",
    "storage/iceberg/plan.ts",
    "storage/iceberg/snapshot.ts",
  ],
  [
    "cmd/commands/ls.ts",
    "cmd/commands/status.ts",
    "cmd/lake/drops.ts",
    "cmd/lake/sources.ts",
    "core/ingest/moved.ts",
    "core/ingest/stream.ts",
    "storage/sources/kinds.ts",
  ],
  ["cmd/commands/plan.ts", "cmd/lake/models.ts"],
  [
    "cmd/commands/build.ts",
    "cmd/commands/diff.ts",
    "cmd/commands/drop.ts",
    "cmd/commands/load.ts",
    "cmd/commands/quarantine.ts",
    "cmd/commands/replay.ts",
    "cmd/commands/repair.ts",
    "cmd/commands/reread.ts",
    "cmd/commands/restore.ts",
    "cmd/commands/tag.ts",
    "core/ingest/decision.ts",
    "storage/catalog/commit.ts",
    "storage/catalog/drop.ts",
    "storage/catalog/publish.ts",
    "storage/catalog/tags.ts",
    "storage/catalog/unlink.ts",
    "storage/disk/lease.ts",
    "storage/files/claim.ts",
    "storage/files/dispose.ts",
  ],
];

/**
 * Small modules that nearly all import, beside those of core/base and core/table: whatever is late brings all of them,
 * so that they are one chunk and not thirty.
 */
const LEAVES: readonly string[] = [
  "core/config/type-text.ts",
  "core/contract/modes.ts",
  "core/ingest/encoding-name.ts",
  "core/ingest/feed.ts",
  "core/ingest/quarantine.ts",
  "core/ingest/reconciliation.ts",
  "core/limits.ts",
  "core/model/cursor.ts",
  "core/model/feed.ts",
  "core/model/run-store.ts",
  "core/model/table-names.ts",
  "sql/syntax/lexer.ts",
  "sql/syntax/quote.ts",
  "storage/disk/durable.ts",
];

/** They start a process, and leave the rest to what they import late. */
const STARTS: readonly string[] = [
  "cmd/reader.ts",
  "cmd/shell/engine.ts",
  "cmd/shell/sql.ts",
  "cmd/tree.ts",
  "cmd/worker.ts",
];

/** Tells a late import of a module from the module itself. */
const LATE = ".late";

/** Imports a module as before, and with it the rest of its part and the leaves. */
export function partsPlugin(root: string): BunPlugin {
  const under = (file: string) => resolve(root, file);
  const parts = PARTS.map((part) => part.map(under));
  const partOf = new Map(parts.flatMap((part) => part.map((file) => [file, part] as const)));
  const leaves = [...new Glob("core/{base,table}/*.ts").scanSync(root), ...LEAVES]
    .map(under)
    .sort();
  const starts = new Set(STARTS.map(under));
  const project = parts[0] ?? [];
  const isCommand = (file: string) => file.includes("/cmd/commands/") && partOf.has(file);
  const isOurs = (file: string) => file.endsWith(".ts") && !file.includes("/node_modules/");
  return {
    name: "parts",
    setup(builder) {
      builder.onResolve({ filter: /^\.{1,2}\// }, ({ path, importer, kind }) => {
        const file = resolve(importer, "..", path);
        if (kind !== "dynamic-import" || !isOurs(file) || starts.has(file)) return undefined;
        return { path: `${file}${LATE}`, namespace: "late" };
      });
      builder.onLoad({ filter: /\.late$/, namespace: "late" }, ({ path }) => {
        const file = path.slice(0, -LATE.length);
        const part = partOf.get(file) ?? [];
        const others = [...part, ...(isCommand(file) ? project : []), ...leaves];
        const imports = others.map((other) => `import ${JSON.stringify(other)};`);
        const contents = `export * from ${JSON.stringify(file)};\n${imports.join("\n")}\n`;
        return { contents, loader: "ts" };
      });
    },
  };
}
