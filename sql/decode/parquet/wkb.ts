/** Geometries in well-known binary as well-known text, each coordinate in all its digits. OGC 06-103r4, section 8. */

import { numberText } from "../lossless/exact-value.ts";

const NAMES = [
  "POINT",
  "LINESTRING",
  "POLYGON",
  "MULTIPOINT",
  "MULTILINESTRING",
  "MULTIPOLYGON",
  "GEOMETRYCOLLECTION",
];
const AXES = ["", "Z", "M", "ZM"];
const DEPTH_MAX = 100;

interface Tagged {
  /** `SRID=4326;`, as PostGIS writes it. */
  readonly reference: string;
  readonly name: string;
  readonly axes: string;
  readonly body: string;
}

/** `POINT (1 2)`. Throws RangeError for bytes that are no geometry. */
export function wktOf(bytes: Uint8Array): string {
  const reader = new WkbReader(bytes);
  const text = reader.geometry(0);
  reader.end();
  return text;
}

class WkbReader {
  readonly #view: DataView;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  }

  end(): void {
    if (this.#at !== this.#view.byteLength) throw new RangeError("bytes are left over");
  }

  geometry(depth: number): string {
    const { reference, name, axes, body } = this.#tagged(depth);
    return reference + [name, axes, body].filter((part) => part !== "").join(" ");
  }

  #tagged(depth: number): Tagged {
    if (depth > DEPTH_MAX) throw new RangeError("a geometry nests too deep");
    const little = this.#view.getUint8(this.#at++) === 1;
    const code = this.#count(little);
    // The high bits say the axes in PostGIS, thousands in ISO.
    const flags = (code >>> 31 ? 1 : 0) + ((code >>> 30) & 1 ? 2 : 0);
    const reference = (code >>> 29) & 1 ? `SRID=${this.#count(little)};` : "";
    const plain = code & 0x1fffffff;
    const axes = flags > 0 ? flags : Math.floor(plain / 1000);
    const kind = (plain % 1000) - 1;
    const name = NAMES[kind];
    const letters = AXES[axes];
    if (name === undefined || letters === undefined) {
      throw new RangeError(`a geometry of the unknown kind ${plain}`);
    }
    const width = 2 + (axes === 0 ? 0 : axes === 3 ? 2 : 1);
    return { reference, name, axes: letters, body: this.#body(kind, { little, width, depth }) };
  }

  #body(
    kind: number,
    how: { readonly little: boolean; readonly width: number; readonly depth: number },
  ): string {
    const { little, width, depth } = how;
    const points = () => this.#list(little, () => this.#numbers(little, width).join(" "));
    switch (kind) {
      case 0: {
        const numbers = this.#numbers(little, width);
        return numbers.every((text) => text === "NaN") ? "EMPTY" : `(${numbers.join(" ")})`;
      }
      case 1:
        return points();
      case 2:
        return this.#list(little, points);
      case 6:
        return this.#list(little, () => this.geometry(depth + 1));
      default: {
        const part = () => this.#tagged(depth + 1).body;
        return this.#list(little, kind === 3 ? () => part().replace(/^\((.*)\)$/, "$1") : part);
      }
    }
  }

  #list(little: boolean, item: () => string): string {
    const items: string[] = [];
    for (let left = this.#count(little); left > 0; left--) items.push(item());
    return items.length === 0 ? "EMPTY" : `(${items.join(", ")})`;
  }

  #count(little: boolean): number {
    this.#at += 4;
    return this.#view.getUint32(this.#at - 4, little);
  }

  #numbers(little: boolean, width: number): string[] {
    return Array.from({ length: width }, () => {
      this.#at += 8;
      return numberText(this.#view.getFloat64(this.#at - 8, little));
    });
  }
}
