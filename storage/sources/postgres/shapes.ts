/** Tables as the stream describes them, with their types looked up, each description once. */

import type { SegmentShape } from "../../../core/ingest/segment.ts";
import type { WireType } from "../../../core/ingest/wire-type.ts";
import type { Relation } from "./pgoutput.ts";
import { type TypeCatalog, typeTextOf } from "./wire-types.ts";

export class ShapeBook {
  readonly #types: TypeCatalog;
  readonly #byText = new Map<string, SegmentShape>();
  readonly #textByOid = new Map<number, string>();
  #lastNumber = 0;

  constructor(types: TypeCatalog) {
    this.#types = types;
  }

  /** A number for a shape that nothing else has. */
  nextNumber(): number {
    this.#lastNumber += 1;
    return this.#lastNumber;
  }

  /** The shape of a table as it was just described: the same one for the same description. */
  async shapeOf(relation: Relation): Promise<SegmentShape> {
    const text = JSON.stringify(relation);
    const before = this.#textByOid.get(relation.oid);
    this.#textByOid.set(relation.oid, text);
    const known = this.#byText.get(text);
    if (known !== undefined && before === text) return known;
    // Whoever changed a table may have changed types with it.
    if (before !== undefined) this.#types.forget();
    const wires = await this.#types.typesOf(relation.columns);
    const columns = relation.columns.map(({ name, key }, index) => {
      const wire = wires[index] ?? UNKNOWN;
      return { name, type: typeTextOf(wire), wire, key };
    });
    const { schema, table, oid, identity } = relation;
    const shape = { shape: this.nextNumber(), schema, table, oid, columns, identity };
    this.#byText.set(text, shape);
    return shape;
  }
}

const UNKNOWN: WireType = { oid: 0, typmod: -1, name: "unknown", kind: "base" };
