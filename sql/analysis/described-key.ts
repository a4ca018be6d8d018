/** What the columns of a query are known by. */

import type { Binding, DescribeRequest } from "../../core/engine.ts";

/** Everything that types depend on: not the run's time, which is a literal of one type, and not the files. */
export function describedKey({
  sql,
  bindings,
  timezone,
  driver,
}: Pick<DescribeRequest, "sql" | "bindings" | "timezone" | "driver">): string {
  return JSON.stringify([sql, bindings.map(withoutFiles), timezone, driver], (_key, value) =>
    typeof value === "bigint" ? `${value}n` : value,
  );
}

function withoutFiles(binding: Binding): unknown {
  if (binding.kind === "view")
    return [binding.ref, binding.sql, binding.bindings.map(withoutFiles)];
  const { schema, deletes, corrected } = binding.scan;
  // A correction changes no type, but may be one that the table cannot have.
  const by = corrected?.by.map(({ hash }) => hash) ?? [];
  return [binding.ref, schema, deletes.length > 0, ...(by.length === 0 ? [] : [by])];
}
