/** Output columns of queries that were asked before: they follow from text and schemas, whatever rows there are. */

import type { Binding, Described, DescribeRequest } from "../../core/engine.ts";

/** Queries remembered; with more models than that the oldest is asked again. */
const DESCRIBED_MAX = 2_000;

export class DescribedQueries {
  readonly #describedByKey = new Map<string, Described>();

  /** The remembered answer, or the asked one. A failure is not remembered: a file may be mended. */
  async of(
    request: DescribeRequest,
    ask: (request: DescribeRequest) => Promise<Described>,
  ): Promise<Described> {
    const key = keyOf(request);
    const known = this.#describedByKey.get(key);
    if (known !== undefined) return known;
    const described = await ask(request);
    for (const oldest of this.#describedByKey.keys()) {
      if (this.#describedByKey.size < DESCRIBED_MAX) break;
      this.#describedByKey.delete(oldest);
    }
    this.#describedByKey.set(key, described);
    return described;
  }
}

/** Everything that types depend on: not the run's time, which is a literal of one type, and not the files. */
function keyOf({ sql, bindings, timezone, driver }: DescribeRequest): string {
  return JSON.stringify([sql, bindings.map(withoutFiles), timezone, driver], (_key, value) =>
    typeof value === "bigint" ? `${value}n` : value,
  );
}

function withoutFiles(binding: Binding): unknown {
  if (binding.kind === "view")
    return [binding.ref, binding.sql, binding.bindings.map(withoutFiles)];
  return [binding.ref, binding.scan.schema, binding.scan.deletes.length > 0];
}
