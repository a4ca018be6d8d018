/** What travels to a worker: everything but metrics, wherever a scan stands in the request. */

import { expect, test } from "bun:test";
import type { DiffRequest, MaterializeRequest } from "../../../../core/engine.ts";
import type { DataFile, Scan } from "../../../../core/table/types.ts";
import { slimDiff, slimMaterialize } from "../../../../sql/worker/client.ts";

function scan(metrics: DataFile["metrics"]): Scan {
  const file = { path: "file:///t/1.parquet", recordCount: 5n, metrics } as DataFile; // parse: enough here
  return {
    table: "bronze.a",
    uuid: "u",
    snapshotId: 2n ** 60n,
    sequenceNumber: 1n,
    schema: { schemaId: 0, fields: [] },
    files: [{ localPath: "/t/1.parquet", file }],
    deletes: [file],
  };
}

const FULL = scan(new Map([[1, { valueCount: 5n, lower: new Uint8Array([1]) }]]));
const SLIM = scan(new Map());
const REF = { name: "a", at: null, offset: null };

function materializing(of: Scan) {
  const binding = { kind: "scan", ref: REF, scan: of } as const;
  return {
    sql: "select 1",
    bindings: [binding, { kind: "view", ref: REF, sql: "select 2", bindings: [binding] }],
    testBindings: [binding],
    mode: { kind: "merge", key: ["id"], latestBy: [], target: of },
    rejectTarget: of,
  } as unknown as MaterializeRequest; // parse: only what is touched
}

test("metrics stay behind, all else travels", () => {
  expect(slimMaterialize(materializing(FULL))).toEqual(materializing(SLIM));
  const diff = (of: Scan) => ({ before: of, after: of, key: ["id"], limit: 3 }) as DiffRequest;
  expect(slimDiff(diff(FULL))).toEqual(diff(SLIM));
});
