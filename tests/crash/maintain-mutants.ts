/** Seeded bugs of compaction, each with the suite that must fail on it. */

import type { Mutant } from "./mutant-list.ts";

const COMPACT = "core/table/compact.ts";
const WRITE = "sql/write/compact.ts";
const TRANSACTION = "storage/iceberg/transaction.ts";

export const MAINTAIN_MUTANTS: readonly Mutant[] = [
  {
    name: "compaction-loses-marks",
    bug: "what position deletes say of files that stay is not said again",
    file: WRITE,
    search:
      "isMarked && said.length > 0 ? await marksOfOthers(db, request, said, replaced) : NO_FILES;",
    replace: "NO_FILES;",
    suite: "cdc",
  },
  {
    name: "compaction-does-not-count",
    bug: "a file that holds fewer rows than it says is taken as it is, and the rest is lost unseen",
    file: WRITE,
    search: "if (before - rows === BigInt(dead)) return;",
    replace: "if (dead >= 0) return;",
    suite: "compaction",
  },
  {
    name: "compaction-renumbers-rows",
    bug: "a row's place is its place in the new file",
    file: WRITE,
    search: 'const columns = schema.fields.map(({ name }) => quoteIdentifier(name)).join(", ");',
    replace:
      "const numbered = 'row_number() OVER () AS _row';\n" +
      "  const of = (name: string) => (name === '_row' ? numbered : quoteIdentifier(name));\n" +
      "  const columns = schema.fields.map(({ name }) => of(name)).join(', ');",
    suite: "compaction",
  },
  {
    name: "compaction-forgets-places",
    bug: "a row's place is stored nowhere once its file is gone",
    file: "core/table/compaction.ts",
    search: "if (!isLanded || names.has(ROW_COLUMN.name)) return schema;",
    replace: "if (isLanded || names.has(ROW_COLUMN.name)) return schema;",
    suite: "landing",
  },
  {
    name: "compacted-files-removed-early",
    bug: "the files that make way are removed before the commit",
    file: COMPACT,
    search: "  const committed = await commitOnce(",
    replace:
      "  await catalog.discard(gone.map(({ file }) => file));\n  const committed = await commitOnce(",
    suite: "mended",
  },
  {
    name: "compaction-on-a-rewritten-table",
    bug: "files are put in the place of others though more than appends came in between",
    file: TRANSACTION,
    search: 'if (snapshot?.operation !== "append") return false;',
    replace: "if (snapshot === undefined) return false;",
    suite: "catalog",
  },
  {
    name: "compaction-loses-appends",
    bug: "what was appended while files were made one is not in the table any more",
    file: TRANSACTION,
    search: "  const before = (await manifests.list(parent)).filter(hasLiveFiles);",
    replace:
      "  const since = change.operation === 'replace' ? change.base : null;\n" +
      "  const at = metadata.snapshots.find((one) => one.snapshotId === since) ?? parent;\n" +
      "  const before = (await manifests.list(at)).filter(hasLiveFiles);",
    suite: "catalog",
  },
  {
    name: "compaction-makes-models-run-whole",
    bug: "a replace is taken for a change of rows",
    file: "storage/iceberg/plan.ts",
    search: 'else if (current.operation !== "replace") {',
    replace: "else {",
    suite: "laws",
  },
  {
    name: "models-lose-their-place-at-rest",
    bug: "how far a model is behind is the age of what it saw last",
    file: "storage/catalog/thin.ts",
    search: 'if (snapshot.operation !== "replace") cameMs = snapshot.timestampMs;',
    replace: "since.set(id, byId.get(id)?.timestampMs ?? 0);",
    suite: "catalog",
  },
];
