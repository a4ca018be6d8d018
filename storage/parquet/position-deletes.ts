/** Position delete files hold the recorded paths of data files: read, and written anew for where these lie now. */

import { LakeError } from "../../core/base/errors.ts";
import { compareCodePoints } from "../../core/base/order.ts";
import { POSITION_DELETES } from "../../core/table/system-columns.ts";
import { decodeColumns, encodeRows } from "./write.ts";

export interface MovedDeletes {
  readonly bytes: Uint8Array;
  /** The least and the greatest path in it. */
  readonly lower: string;
  readonly upper: string;
}

/** The same deletes, each about the path that `moved` gives. `name` stands in errors. */
export async function moveDeletes(
  bytes: Uint8Array,
  moved: (path: string) => string,
  name: string,
): Promise<MovedDeletes> {
  const [paths, positions] = await decodeColumns(POSITION_DELETES, bytes);
  if (!paths || !positions) {
    throw new LakeError(
      "corrupt",
      `${name} is no position delete file: it has no file_path and pos`,
    );
  }
  const movedByPath = new Map<string, string>();
  const places = [...positions];
  const rows = [...paths].map((value, index) => {
    const path = String(value);
    const now = movedByPath.get(path) ?? moved(path);
    movedByPath.set(path, now);
    return { file_path: now, pos: BigInt(String(places[index])) };
  });
  const all = [...movedByPath.values()].sort(compareCodePoints);
  return {
    bytes: await encodeRows(POSITION_DELETES, rows),
    lower: all[0] ?? "",
    upper: all.at(-1) ?? "",
  };
}
