/**
 * The name that a learned column has in its table, chosen by a person. All that landed is read again under it, so that
 * a replay, a correction or a second thought finds one table and not two.
 */

import { LakeError } from "../base/errors.ts";
import { nearestWord } from "../base/suggest.ts";
import { isReserved } from "../table/system-columns.ts";
import type { Contract, ContractColumn, SourceConfig } from "./contract.ts";
import { columnFor, isNameTaken, withColumn } from "./contract-rules.ts";
import type { EngineBudget, LandingPorts } from "./landing.ts";
import { type Reread, rereadSource } from "./reread.ts";

/** What is to be called how, and why; the reason is kept with the commit. */
export interface Renaming {
  readonly column: string;
  readonly to: string;
  readonly why: string;
  readonly dryRun: boolean;
}

export interface Renamed {
  /** As it was called. */
  readonly column: string;
  readonly reread: Reread;
}

/**
 * Throws `not-found` for a column that the contract does not have, `config` for one that is declared, `usage` for a
 * name that it may not have, and what a reread throws.
 */
export async function renameColumn(
  ports: LandingPorts,
  config: SourceConfig,
  budget: EngineBudget,
  { column: wanted, to, why, dryRun }: Renaming,
): Promise<Renamed> {
  const { ledger } = ports.catalog;
  const stored = await ledger.contract(config.name);
  const column = learnedColumn(stored, config, wanted, "take it out of columns: there first");
  const reread = await rereadSource(ports, config, budget, {
    why,
    dryRun,
    contractOf: async () => {
      const now = await ledger.contract(config.name);
      return now === null ? null : renamedIn(now, config, column, to);
    },
  });
  return { column: column.name, reread };
}

/** A column that may be changed by hand. Throws `not-found`, and `config` for one that is declared. */
export function learnedColumn(
  contract: Contract | null,
  { name }: SourceConfig,
  wanted: string,
  hint = `write it otherwise there, then: tarn reread ${name}`,
): ContractColumn {
  const columns = contract?.columns ?? [];
  const found =
    columns.find((column) => column.name === wanted) ??
    (contract === null ? undefined : columnFor(contract, wanted));
  if (found === undefined) {
    const names = columns.map((column) => column.name);
    const near = nearestWord(wanted, names);
    throw new LakeError("not-found", `${name} has no column "${wanted}"`, {
      hint: near === null ? `tarn contract show ${name}` : `did you mean "${near}"?`,
    });
  }
  if (!found.declared) return found;
  throw new LakeError("config", `${found.name} is declared in tarn.yaml: it is what that says`, {
    hint,
  });
}

function renamedIn(
  contract: Contract,
  config: SourceConfig,
  column: ContractColumn,
  to: string,
): Contract {
  const refuse = (message: string, hint: string): LakeError =>
    new LakeError("usage", message, { hint });
  if (to.trim() === "" || isReserved(to.toLowerCase())) {
    throw refuse(
      `a column cannot be called "${to}"`,
      "names with _ in front that tarn uses are its own",
    );
  }
  if (isNameTaken(contract, column, to)) {
    throw refuse(
      `${config.name} has a column "${to}"`,
      `its columns: tarn contract show ${config.name}`,
    );
  }
  const parts = config.partition.filter((text) =>
    wordsOf(text).includes(column.name.toLowerCase()),
  );
  if (parts.length > 0) {
    throw refuse(
      `${column.name} is what ${config.into} is partitioned by: ${parts.join(", ")}`,
      "write another partition in tarn.yaml first",
    );
  }
  const { renamed: _renamed, ...plain } = column;
  const isOwn = to === column.source;
  return {
    ...withColumn(contract, column, { ...plain, name: to, ...(isOwn ? {} : { renamed: true }) }),
    version: contract.version + 1,
  };
}

function wordsOf(text: string): readonly string[] {
  return text.toLowerCase().match(/[^\s(),]+/g) ?? [];
}
