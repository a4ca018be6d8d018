/** Which modules that are imported late come with each other in the binary. */

import { resolve } from "node:path";
import type { BunPlugin } from "bun";
import { assert } from "../../core/base/assert.ts";

/**
 * To the bundler every module that is imported late is an entry of its own, and what two entries share becomes a chunk:
 * with nothing said, `status` reads 44 chunks of which half hold less than 2 kB, at a tenth of a millisecond each. What
 * looks at a lake is one part, what changes it another. The engine's own modules stay apart: they are large.
 */
const PARTS: readonly (readonly string[])[] = [
  [
    "cmd/commands/ls.ts",
    "cmd/commands/status.ts",
    "cmd/lake/drops.ts",
    "cmd/lake/sources.ts",
    "cmd/project/model-tools.ts",
    "core/config/sources.ts",
    "core/ingest/moved.ts",
    "core/ingest/stream.ts",
    "core/model/parse.ts",
    "sql/decode/formats.ts",
    "storage/sources/kinds.ts",
  ],
  [
    "cmd/commands/build.ts",
    "cmd/commands/check.ts",
    "cmd/commands/config.ts",
    "cmd/commands/diff.ts",
    "cmd/commands/doctor.ts",
    "cmd/commands/drop.ts",
    "cmd/commands/explain.ts",
    "cmd/commands/init.ts",
    "cmd/commands/load.ts",
    "cmd/commands/log.ts",
    "cmd/commands/plan.ts",
    "cmd/commands/quarantine.ts",
    "cmd/commands/relocate.ts",
    "cmd/commands/replay.ts",
    "cmd/commands/reread.ts",
    "cmd/commands/restore.ts",
    "cmd/commands/show.ts",
    "cmd/commands/source.ts",
    "cmd/commands/tag.ts",
    "cmd/commands/up.ts",
    "cmd/lake/models.ts",
    "core/config/place.ts",
    "core/ingest/decision.ts",
    "storage/catalog/commit.ts",
    "storage/catalog/drop.ts",
    "storage/catalog/publish.ts",
    "storage/catalog/system.ts",
    "storage/catalog/tags.ts",
    "storage/catalog/unlink.ts",
    "storage/catalog/version.ts",
    "storage/disk/lease.ts",
    "storage/files/claim.ts",
    "storage/files/dispose.ts",
    "storage/iceberg/manifest.ts",
    "storage/iceberg/metadata.ts",
    "storage/iceberg/plan.ts",
    "storage/iceberg/snapshot.ts",
  ],
];

/** Tells a late import of a module from the module itself. */
const LATE = ".late";

/** Imports a module of a part as before, and the rest of its part with it. */
export function partsPlugin(root: string): BunPlugin {
  const parts = PARTS.map((part) => part.map((file) => resolve(root, file)));
  const partOf = new Map(parts.flatMap((part) => part.map((file) => [file, part] as const)));
  return {
    name: "parts",
    setup(builder) {
      builder.onResolve({ filter: /^\.{1,2}\// }, ({ path, importer, kind }) => {
        const file = resolve(importer, "..", path);
        if (kind !== "dynamic-import" || !partOf.has(file)) return undefined;
        return { path: `${file}${LATE}`, namespace: "late" };
      });
      builder.onLoad({ filter: /\.late$/, namespace: "late" }, ({ path }) => {
        const file = path.slice(0, -LATE.length);
        const part = partOf.get(file);
        assert(part !== undefined, "only modules of parts are resolved so");
        const others = part.map((other) => `import ${JSON.stringify(other)};`);
        const contents = `export * from ${JSON.stringify(file)};\n${others.join("\n")}\n`;
        return { contents, loader: "ts" };
      });
    },
  };
}
