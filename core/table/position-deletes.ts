/** Files that say which rows of data files are gone: their columns. Iceberg spec, "Position Delete Files". */

import type { Schema } from "./types.ts";

/** Reserved ids: the recorded path of a data file, and the position of a row in it from 0. */
export const FILE_PATH_ID = 2147483546;
export const POS_ID = 2147483545;

export const POSITION_DELETES: Schema = {
  schemaId: 0,
  fields: [
    {
      id: FILE_PATH_ID,
      name: "file_path",
      required: true,
      type: { kind: "primitive", name: "string" },
    },
    { id: POS_ID, name: "pos", required: true, type: { kind: "primitive", name: "long" } },
  ],
};
