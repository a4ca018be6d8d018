/** The one transaction of a commit: pointers by compare-and-swap, facts, batches, runs and the commit's own row. */

import { LakeError } from "../../core/base/errors.ts";
import {
  UNLINK_DATA_AFTER_MS,
  UNLINK_MANIFEST_AFTER_MS,
  UNLINK_METADATA_AFTER_MS,
} from "../../core/limits.ts";
import type { Change, Fact } from "../../core/table/commit.ts";
import type { TableName } from "../../core/table/types.ts";
import type { TableVersion } from "../iceberg/metadata.ts";
import type { Staged } from "../iceberg/transaction.ts";
import { sqliteCode } from "./database.ts";
import { insertCommit, insertCommitTable, moveHead, toCommitRow, toHead } from "./enter.ts";
import { partsOf } from "./heads.ts";
import type { LakeStore } from "./lake-store.ts";
import { text } from "./row.ts";
import { insertRun } from "./runs.ts";
import { CATALOG_NAME } from "./schema.ts";

/** One table's pointer move. */
export interface Move {
  readonly name: TableName;
  /** Null for a table that the commit creates. */
  readonly base: TableVersion | null;
  readonly staged: Staged;
}

export type Published =
  | { readonly kind: "committed"; readonly number: bigint; readonly timeMs: number }
  | { readonly kind: "moved"; readonly tables: readonly TableName[] }
  | { readonly kind: "stale"; readonly fact: string };

/** Kinds of files that wait to be unlinked, with their delay. DESIGN, Settled. */
export const UNLINK_DELAYS_MS = {
  metadata: UNLINK_METADATA_AFTER_MS,
  "manifest-list": UNLINK_MANIFEST_AFTER_MS,
  manifest: UNLINK_MANIFEST_AFTER_MS,
  data: UNLINK_DATA_AFTER_MS,
} as const;

export type UnlinkKind = keyof typeof UNLINK_DELAYS_MS;

/** Takes the transaction back from within, with its result. */
class Refused extends Error {
  readonly outcome: Published;

  constructor(outcome: Published) {
    super(outcome.kind);
    this.outcome = outcome;
  }
}

/**
 * Publishes a staged change or nothing. Touches O(tables + facts + batches) rows. Throws CommitDoubt when COMMIT
 * failed; `attempt` then tells whether it happened.
 */
export async function publish(
  store: LakeStore,
  change: Change,
  moves: readonly Move[],
  at: { readonly attempt: string; readonly nowMs: number },
): Promise<Published> {
  return await orRefused(() =>
    store.write((): Published => {
      checkFacts(store, change.facts);
      swapPointers(store, moves);
      const { kind, message } = change;
      const { number, timeMs } = insertCommit(store, { ...at, kind, message });
      for (const move of moves) {
        const { metadata, metadataLocation, snapshot } = move.staged;
        const version = { metadata, metadataLocation };
        insertCommitTable(store, number, toCommitRow(move.name, version, snapshot));
      }
      writeFacts(store, change.facts);
      showBatches(store, change, number);
      for (const run of change.runs) insertRun(store, run, number);
      queueObsolete(store, moves, timeMs);
      return { kind: "committed", number, timeMs };
    }),
  );
}

/** Moves pointers for a change of metadata alone (a tag, retention), which is no moment of its own. */
export async function publishMetadata(
  store: LakeStore,
  moves: readonly Move[],
  nowMs: number,
  also: () => void,
): Promise<Exclude<Published, { kind: "committed" }> | { readonly kind: "done" }> {
  const done = { kind: "done" } as const;
  const outcome = await orRefused(() =>
    store.write(() => {
      swapPointers(store, moves);
      for (const { name, staged } of moves) moveHead(store, toHead(name, staged));
      queueObsolete(store, moves, nowMs);
      also();
      return done;
    }),
  );
  return outcome.kind === "committed" ? done : outcome;
}

/** The first fact that is not as expected, or null. In the caller's transaction. */
export function findStale(store: LakeStore, facts: readonly Fact[]): Fact | null {
  const sql = "SELECT value FROM lake_facts WHERE kind = ? AND name = ?";
  for (const fact of facts) {
    const row = store.db.get(sql, fact.kind, fact.name);
    if ((row === null ? null : text(row, "value")) !== fact.was) return fact;
  }
  return null;
}

async function orRefused<T>(action: () => Promise<T>): Promise<T | Published> {
  try {
    return await action();
  } catch (thrown) {
    if (thrown instanceof Refused) return thrown.outcome;
    throw thrown;
  }
}

function checkFacts(store: LakeStore, facts: readonly Fact[]): void {
  const stale = findStale(store, facts);
  if (stale === null) return;
  throw new Refused({ kind: "stale", fact: `${stale.kind} ${stale.name}` });
}

function swapPointers(store: LakeStore, moves: readonly Move[]): void {
  const moved = moves.filter((move) => !swapPointer(store, move)).map((move) => move.name);
  if (moved.length > 0) throw new Refused({ kind: "moved", tables: moved });
}

function swapPointer(store: LakeStore, move: Move): boolean {
  const { namespace, table } = partsOf(move.name);
  const next = move.staged.metadataLocation;
  if (move.base !== null) {
    const changed = store.db.run(
      `UPDATE iceberg_tables SET metadata_location = ?, previous_metadata_location = ?
        WHERE catalog_name = ? AND table_namespace = ? AND table_name = ?
        AND metadata_location = ? AND (iceberg_type = 'TABLE' OR iceberg_type IS NULL)`,
      next,
      move.base.metadataLocation,
      CATALOG_NAME,
      namespace,
      table,
      move.base.metadataLocation,
    );
    return changed === 1;
  }
  store.db.run(
    `INSERT OR IGNORE INTO iceberg_namespace_properties
      (catalog_name, namespace, property_key, property_value) VALUES (?, ?, 'exists', 'true')`,
    CATALOG_NAME,
    namespace,
  );
  try {
    store.db.run(
      `INSERT INTO iceberg_tables (catalog_name, table_namespace, table_name, metadata_location,
        previous_metadata_location, iceberg_type) VALUES (?, ?, ?, ?, NULL, 'TABLE')`,
      CATALOG_NAME,
      namespace,
      table,
      next,
    );
    return true;
  } catch (thrown) {
    if (sqliteCode(thrown).startsWith("SQLITE_CONSTRAINT")) return false;
    throw thrown;
  }
}

function writeFacts(store: LakeStore, facts: readonly Fact[]): void {
  for (const { kind, name, becomes } of facts) {
    if (becomes === null) {
      store.db.run("DELETE FROM lake_facts WHERE kind = ? AND name = ?", kind, name);
    } else {
      const sql = "INSERT OR REPLACE INTO lake_facts (kind, name, value) VALUES (?, ?, ?)";
      store.db.run(sql, kind, name, becomes);
    }
  }
}

function showBatches(store: LakeStore, change: Change, number: bigint): void {
  for (const batch of change.batches) {
    const sql =
      "UPDATE lake_batches SET commit_number = ? WHERE batch = ? AND commit_number IS NULL";
    if (store.db.run(sql, number, batch) === 1) continue;
    const known = store.db.get("SELECT commit_number FROM lake_batches WHERE batch = ?", batch);
    // Landed before: this is a second commit of the same work.
    if (known !== null) throw new Refused({ kind: "stale", fact: `batch ${batch}` });
    throw new LakeError("internal", `batch ${batch} was not prepared in the ledger`);
  }
  for (const batch of change.withdrawn) {
    const sql = `UPDATE lake_batches SET withdrawn_by = ?
      WHERE batch = ? AND commit_number IS NOT NULL AND withdrawn_by IS NULL`;
    store.db.run(sql, number, batch);
  }
  for (const batch of change.reinstated ?? []) {
    store.db.run("UPDATE lake_batches SET withdrawn_by = NULL WHERE batch = ?", batch);
  }
}

function queueObsolete(store: LakeStore, moves: readonly Move[], nowMs: number): void {
  for (const { staged } of moves) {
    const { uuid } = staged.metadata;
    queueUnlink(store, { kind: "metadata", uuid, nowMs }, staged.obsolete.metadataFiles);
    queueUnlink(store, { kind: "manifest-list", uuid, nowMs }, staged.obsolete.manifestLists);
  }
}

/** Files that left the metadata wait here; a file already waiting keeps its time. In the caller's transaction. */
export function queueUnlink(
  store: LakeStore,
  entry: { readonly kind: UnlinkKind; readonly uuid: string; readonly nowMs: number },
  locations: readonly string[],
): void {
  const dueMs = entry.nowMs + UNLINK_DELAYS_MS[entry.kind];
  const sql = `INSERT OR IGNORE INTO lake_unlink (location, kind, table_uuid, left_ms, due_ms)
    VALUES (?, ?, ?, ?, ?)`;
  for (const location of locations) {
    store.db.run(sql, location, entry.kind, entry.uuid, entry.nowMs, dueMs);
  }
}
