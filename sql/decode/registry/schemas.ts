/** The schemas that a segment has of a registry: what records are that name one of them. */

import type { SegmentSchema } from "../../../core/ingest/segment.ts";
import { EnvelopeFault } from "../envelope/change.ts";
import { Unreadable } from "../unreadable.ts";
import type { Compiled, SchemaReader } from "./schema-reader.ts";

/** A value that says by which schema it is written. */
export type Framed =
  | { readonly kind: "made"; readonly reader: SchemaReader; readonly bytes: Buffer }
  | { readonly kind: "json"; readonly bytes: Buffer };

/** What is framed begins with this byte; the number of the schema is behind it. Confluent, "Wire format". */
const MARK = 0;
const FRAME_BYTES = 5;
/** Compiled readers that a worker keeps, of all segments that it reads. */
const KEPT_MAX = 256;
const KEPT = new Map<string, Compiled>();

export function isFramed(bytes: Buffer): boolean {
  return bytes.length >= FRAME_BYTES && bytes[0] === MARK;
}

export class SchemaSet {
  readonly #schemas: ReadonlyMap<number, SegmentSchema>;
  readonly #compiled = new Map<number, Compiled | string>();
  readonly #compile: Compilers;

  private constructor(schemas: readonly SegmentSchema[], compile: Compilers) {
    this.#schemas = new Map(schemas.map((schema) => [schema.id, schema]));
    this.#compile = compile;
  }

  /** Loads what reads the kinds of schemas that there are. */
  static async of(schemas: readonly SegmentSchema[]): Promise<SchemaSet> {
    const compile: Compilers = {};
    for (const { type } of schemas) {
      if (type === "avro") compile.avro ??= (await import("./avro.ts")).compileAvro;
      if (type === "protobuf") compile.protobuf ??= (await import("./protobuf.ts")).compileProtobuf;
    }
    return new SchemaSet(schemas, compile);
  }

  /** What bytes are that are framed. Throws EnvelopeFault where nobody knows. */
  framed(bytes: Buffer): Framed {
    const id = bytes.readUInt32BE(1);
    const rest = bytes.subarray(FRAME_BYTES);
    if (this.#schemas.get(id)?.type === "json") return { kind: "json", bytes: rest };
    const known = this.#compiled.get(id) ?? this.#made(id);
    if (typeof known === "string") throw new EnvelopeFault(known);
    return { kind: "made", ...known(rest) };
  }

  #made(id: number): Compiled | string {
    const made = this.#compileSchema(id);
    this.#compiled.set(id, made);
    return made;
  }

  /** Or in words why there is none. */
  #compileSchema(id: number): Compiled | string {
    const schema = this.#schemas.get(id);
    if (schema === undefined) return `it names the schema ${id}, which the registry did not have`;
    const { type, text, references } = schema;
    const name = JSON.stringify([type, text, references]);
    const kept = KEPT.get(name);
    if (kept !== undefined) return kept;
    try {
      const made = this.#compile[type]?.(text, references);
      if (made === undefined) return `it names the schema ${id}, which is one of ${type}`;
      if (KEPT.size >= KEPT_MAX) KEPT.clear();
      KEPT.set(name, made);
      return made;
    } catch (thrown) {
      if (!(thrown instanceof Unreadable)) throw thrown;
      return `it names the schema ${id}: ${thrown.message}`;
    }
  }
}

type Compile = (text: string, references: SegmentSchema["references"]) => Compiled;
type Compilers = Partial<Record<SegmentSchema["type"], Compile>>;
