/**
 * A process that commits to tables of a served lake until so many commits were acknowledged, whatever becomes of the
 * server meanwhile: `committer.ts URI TOKEN COUNT TABLE…`. Several tables get a snapshot of one id in one transaction.
 * One answer in twenty it does not wait for, and asks again under the same key. Prints the id of each snapshot that was
 * acknowledged, one a line.
 */

import { randomBytes, randomUUID } from "node:crypto";
import {
  isJsonObject,
  type JsonObject,
  longField,
  objectField,
  parseJson,
  stringifyJson,
} from "../../core/base/json.ts";

const LOST_SHARE = 0.05;
const LOST_AFTER_MS = 3;
const AGAIN_MS = 20;

const [uri = "", token = "", count = "0", ...tables] = process.argv.slice(2);

for (let done = 0; done < Number(count); ) {
  const snapshotId = randomBytes(8).readBigUInt64BE() >> 1n;
  const changes: JsonObject[] = [];
  for (const name of tables) {
    const { json } = await asked("GET", `namespaces/ns/tables/${name}`, {}, null);
    const commit = commitOn(objectField(json, "metadata"), snapshotId);
    changes.push({ identifier: { namespace: ["ns"], name }, ...commit });
  }
  const key = { "idempotency-key": randomUUID() };
  const isOne = tables.length === 1;
  const path = isOne ? `namespaces/ns/tables/${tables[0]}` : "transactions/commit";
  const body = stringifyJson(isOne ? (changes[0] ?? {}) : { "table-changes": changes });
  const { status } = await asked("POST", path, key, body);
  if (status === 200 || status === 204) {
    console.log(String(snapshotId));
    done += 1;
  } else if (status !== 409) throw new Error(`a commit was answered with ${status}`);
}

/** Asks until it is answered. */
async function asked(
  method: string,
  path: string,
  more: Readonly<Record<string, string>>,
  body: string | null,
): Promise<{ readonly status: number; readonly json: JsonObject }> {
  const headers = { authorization: `Bearer ${token}`, ...more };
  for (;;) {
    const isLost = body !== null && Math.random() < LOST_SHARE;
    const signal = AbortSignal.timeout(isLost ? LOST_AFTER_MS : 30_000);
    try {
      const init = { method, headers, signal, ...(body === null ? {} : { body }) };
      const answer = await fetch(`${uri}/v1/${path}`, init);
      const text = await answer.text();
      if (answer.status < 500) {
        const json = text === "" ? {} : parseJson(text);
        return { status: answer.status, json: isJsonObject(json) ? json : {} };
      }
    } catch {
      // Nobody there, or nobody waited for.
    }
    await Bun.sleep(AGAIN_MS * Math.random());
  }
}

/** An append of what is not there: no catalog looks into it. */
function commitOn(metadata: JsonObject, snapshotId: bigint): JsonObject {
  const head = longField(metadata, "current-snapshot-id");
  const parent = head === null || head < 0n ? null : head;
  const sequence = (longField(metadata, "last-sequence-number") ?? 0n) + 1n;
  const snapshot = {
    "snapshot-id": snapshotId,
    ...(parent === null ? {} : { "parent-snapshot-id": parent }),
    "sequence-number": sequence,
    "timestamp-ms": Date.now(),
    "manifest-list": `${String(metadata.location)}/metadata/snap-${snapshotId}.avro`,
    summary: { operation: "append", "added-records": "1", "total-records": String(sequence) },
    "schema-id": 0,
  };
  const ref = { "ref-name": "main", type: "branch", "snapshot-id": snapshotId };
  return {
    requirements: [
      { type: "assert-table-uuid", uuid: metadata["table-uuid"] ?? null },
      { type: "assert-ref-snapshot-id", ref: "main", "snapshot-id": parent },
    ],
    updates: [
      { action: "add-snapshot", snapshot },
      { action: "set-snapshot-ref", ...ref },
    ],
  };
}
