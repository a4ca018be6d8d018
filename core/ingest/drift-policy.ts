/** What is done with values that do not fit: as their column says, the source, and what its contract may become. */

import { own } from "../base/json.ts";
import type { ColumnPolicy, Contract, ContractColumn, SourceConfig } from "./contract.ts";
import type { Hold } from "./contract-rules.ts";

type Policies = Pick<SourceConfig, "onDrift" | "schema" | "compatibility">;

/** The word of the column in `tarn.yaml`, or what `schema` means for a column that is known. */
export function columnPolicy(source: Policies, column: ContractColumn): ColumnPolicy {
  const said = saidOf(source, column);
  if (said !== undefined) return said;
  if (source.schema === "fail") return "fail";
  return source.schema === "evolve" && !column.declared ? "evolve" : "quarantine";
}

/** Some column takes wider types, whatever the others do. */
export function mayEvolve({ schema, onDrift = {} }: Policies): boolean {
  return schema === "evolve" || Object.values(onDrift).includes("evolve");
}

/**
 * Why a column may not become another one: its own policy (an empty text), or a version of the contract that the new
 * one would not be compatible with; null where it may.
 */
export async function heldBy(source: Policies, versions: readonly Contract[]): Promise<Hold> {
  const { compatibility = "none" } = source;
  const byPolicy: Hold = (from) => (columnPolicy(source, from) === "evolve" ? null : "");
  if (compatibility === "none" || versions.length === 0) return byPolicy;
  const { breakText, incompatibilities } = await import("../contract/compatibility.ts");
  return (from, to) => {
    const held = byPolicy(from, to);
    if (held !== null) return held;
    const before = versions.map(({ version, columns }) => ({
      version,
      columns: columns.filter((column) => column.source === from.source),
    }));
    const [first] = incompatibilities({ columns: [to] }, before, compatibility);
    if (first === undefined) return null;
    return `${first.direction} incompatible with version ${first.version}: ${breakText(first)}`;
  };
}

/** What `columns:` says of it; undefined where it says nothing. */
export function saidOf(
  { onDrift = {} }: Pick<Policies, "onDrift">,
  { name, source }: Pick<ContractColumn, "name" | "source">,
): ColumnPolicy | undefined {
  const exact = own(onDrift, name) ?? own(onDrift, source);
  if (exact !== undefined) return exact;
  const folded = source.toLowerCase();
  return Object.entries(onDrift).find(([column]) => column.toLowerCase() === folded)?.[1];
}
