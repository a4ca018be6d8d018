/** `snapshot:` of a database: a word, which YAML may have as a boolean. */

import type { Shape } from "../../core/config/shape.ts";

/** `snapshot: true` is a boolean in YAML. */
export function snapshotAsBoolean<T>(shape: Shape<T>): Shape<T> {
  return {
    get schema() {
      return shape.schema;
    },
    read: (value, cursor) => {
      if (typeof value !== "object" || value === null || !("snapshot" in value)) {
        return shape.read(value, cursor);
      }
      const { snapshot } = value;
      const given = typeof snapshot === "boolean" ? String(snapshot) : snapshot;
      return shape.read({ ...value, snapshot: given }, cursor);
    },
    spell: shape.spell,
  };
}
