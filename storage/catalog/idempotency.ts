/**
 * Requests that were done, by the keys that clients gave them: written in the transaction that did them, so that
 * whoever lost the answer asks again and nothing is done twice. Iceberg REST spec, `Idempotency-Key`.
 */

import { text } from "./database.ts";
import type { LakeStore } from "./lake-store.ts";
import { refusal } from "./refusal.ts";

/** A request of a client's: its key, and what tells it from another under the same key. */
export interface Idempotency {
  readonly key: string;
  readonly hash: string;
}

/** How long a client may ask again. */
export const IDEMPOTENCY_MS = 30 * 60_000;

/** Among the facts of kind `key`. */
const PREFIX = "rest:";
/** How often those whose time is over are looked for. */
const CLEAN_MS = 60_000;
const cleanedMs = new WeakMap<LakeStore, number>();

/** True where the request was done before. Throws where another one was done under its key. */
export async function wasDone(
  store: LakeStore,
  { key, hash }: Idempotency,
  nowMs: number,
): Promise<boolean> {
  const sql = "SELECT value FROM lake_facts WHERE kind = 'key' AND name = ?";
  const row = await store.look(() => store.db.get(sql, PREFIX + key));
  if (row === null) return false;
  const [atMs, known] = text(row, "value").split(" ");
  if (nowMs - Number(atMs) > IDEMPOTENCY_MS) return false;
  if (known === hash) return true;
  throw anotherRequest();
}

/** Remembers it. In the transaction that does it. */
export function setDone(store: LakeStore, { key, hash }: Idempotency, nowMs: number): void {
  const { db } = store;
  const sql = "INSERT OR REPLACE INTO lake_facts (kind, name, value) VALUES ('key', ?, ?)";
  db.run(sql, PREFIX + key, `${Math.trunc(nowMs)} ${hash}`);
  if (nowMs - (cleanedMs.get(store) ?? 0) < CLEAN_MS) return;
  cleanedMs.set(store, nowMs);
  const old = `DELETE FROM lake_facts WHERE kind = 'key' AND substr(name, 1, length(?1)) = ?1
    AND CAST(value AS INTEGER) < ?2`;
  db.run(old, PREFIX, Math.trunc(nowMs - IDEMPOTENCY_MS));
}

export function anotherRequest(): Error {
  const message = "another request came under this Idempotency-Key before";
  return refusal("UnprocessableEntityException", message);
}
