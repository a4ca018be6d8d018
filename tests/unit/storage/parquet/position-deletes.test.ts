/** Position deletes of a lake that was moved: the same places, under the paths of now. */

import { expect, test } from "bun:test";
import { POSITION_DELETES } from "../../../../core/table/system-columns.ts";
import { moveDeletes } from "../../../../storage/parquet/position-deletes.ts";
import { decodeColumns, encodeRows } from "../../../../storage/parquet/write.ts";

test("moveDeletes gives each path its new name and leaves the positions", async () => {
  const rows = [
    { file_path: "file:///a/2.parquet", pos: 7n },
    { file_path: "file:///a/2.parquet", pos: 5_000_000_000n },
    { file_path: "file:///a/1.parquet", pos: 0n },
  ];
  const bytes = await encodeRows(POSITION_DELETES, rows);
  const moved = await moveDeletes(bytes, (path) => path.replace("/a/", "/b/"), "x");
  const [paths, places] = await decodeColumns(POSITION_DELETES, moved.bytes);
  expect({ ...moved, bytes: [[...(paths ?? [])], [...(places ?? [])]] }).toEqual({
    bytes: [
      ["file:///b/2.parquet", "file:///b/2.parquet", "file:///b/1.parquet"],
      [7n, 5_000_000_000n, 0n],
    ],
    lower: "file:///b/1.parquet",
    upper: "file:///b/2.parquet",
  });
});

test("moveDeletes refuses a file that names no places", async () => {
  const [path] = POSITION_DELETES.fields;
  const schema = { schemaId: 0, fields: path === undefined ? [] : [path] };
  const bytes = await encodeRows(schema, [{ file_path: "file:///a/1.parquet" }]);
  await expect(moveDeletes(bytes, (one) => one, "d.parquet")).rejects.toThrow(
    "d.parquet is no position delete file",
  );
});
