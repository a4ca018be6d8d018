/** Whether values are those of a type: one that is not makes it a text, and of a struct its field alone. */

import type * as api from "@duckdb/node-api";
import { STRING } from "../../../core/table/type-text.ts";
import type { Field, Type } from "../../../core/table/types.ts";
import { type Fitter, fitterOf, Misfit } from "./exact-fit.ts";
import { Entries, type Exact } from "./exact-value.ts";

export class TypeProof {
  readonly #type: Type;
  /** Null of a struct, whose fields are proved each by itself. */
  readonly #fit: Fitter | null;
  readonly #fields: ReadonlyMap<string, FieldProof>;
  #isText = false;

  constructor(native: typeof api, type: Type) {
    this.#type = type;
    const isStruct = type.kind === "struct";
    this.#fit = isStruct ? null : fitterOf(native, type, { text: "times", onUnknown: "report" });
    this.#fields = new Map(
      (isStruct ? type.fields : []).map((field) => [
        field.name,
        { field, proof: new TypeProof(native, field.type) },
      ]),
    );
  }

  add(value: Exact): void {
    if (value === null || this.#isText) return;
    if (this.#fit === null) this.#addFields(value);
    else this.#isText = !fits(this.#fit, value);
  }

  /** The type, with texts where values are none of it. */
  get type(): Type {
    if (this.#isText) return STRING;
    if (this.#fit !== null) return this.#type;
    const fields = [...this.#fields.values()];
    return {
      kind: "struct",
      fields: fields.map(({ field, proof }) => ({ ...field, type: proof.type })),
    };
  }

  #addFields(value: Exact): void {
    if (!(value instanceof Entries)) {
      this.#isText = true;
      return;
    }
    for (const [name, item] of value.pairs) {
      const field = this.#fields.get(name);
      if (field === undefined) this.#isText = true;
      else field.proof.add(item);
    }
  }
}

interface FieldProof {
  readonly field: Field;
  readonly proof: TypeProof;
}

function fits(fit: Fitter, value: Exact): boolean {
  try {
    fit(value, null);
    return true;
  } catch (thrown) {
    if (thrown instanceof Misfit) return false;
    throw thrown;
  }
}
