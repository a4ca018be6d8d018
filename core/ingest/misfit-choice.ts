/**
 * What is done with the values of one column that do not fit, chosen by a person: it keeps its type whatever comes, or
 * widens for whatever comes. Either way all that landed is read again, so the other choice takes it back whole.
 */

import { LakeError } from "../base/errors.ts";
import { hasPlaceholder, STRING, sameType } from "../table/type-text.ts";
import type { Type } from "../table/types.ts";
import { learnedColumn } from "./column-name.ts";
import type { Contract, ContractColumn, MisfitChoice, SourceConfig } from "./contract.ts";
import { columnFor, withColumn } from "./contract-rules.ts";
import type { EngineBudget, LandingPorts } from "./landing.ts";
import { refuseRedacted } from "./originals.ts";
import { nextStandIn, republish } from "./republish.ts";
import { contractAnew, type Reread, rereadSource } from "./reread.ts";

/** What is to be done, and why; the reason is kept with the commit. */
export interface Choice {
  readonly column: string;
  readonly choice: MisfitChoice;
  readonly why: string;
  readonly dryRun: boolean;
}

export interface Chosen {
  readonly column: string;
  /** Null for a dry run. */
  readonly commit: bigint | null;
  /** Null where no row moves: only what comes from now on is held against it. */
  readonly reread: Reread | null;
}

/**
 * Throws `not-found` for a column that the contract does not have, `config` for one that is declared, and what a reread
 * throws.
 */
export async function chooseMisfits(
  ports: LandingPorts,
  config: SourceConfig,
  budget: EngineBudget,
  request: Choice,
): Promise<Chosen> {
  refuseRedacted(config);
  const { ledger } = ports.catalog;
  const stored = await ledger.contract(config.name);
  const column = learnedColumn(stored, config, request.column);
  const { choice, why, dryRun } = request;
  const next = withChoice(column, choice);
  // There is no text that could become another type.
  if (stored !== null && choice === "keep" && !holdsText(column.type)) {
    const contract = replaced(stored, next);
    const commit = dryRun ? null : await recordOnly(ports, config, budget, contract, why);
    return { column: column.name, commit, reread: null };
  }
  const reread = await rereadSource(ports, config, budget, {
    why,
    dryRun,
    contractOf: async (job, files) => {
      const choices = new Map([[column.source.toLowerCase(), choice]]);
      const learned = await contractAnew(job, files, choices);
      const now = await ledger.contract(config.name);
      const found = learned === null ? undefined : columnFor(learned, column.source);
      if (now === null || found === undefined) return null;
      return replaced(now, { ...next, type: found.type, unseen: found.unseen });
    },
  });
  return { column: column.name, commit: reread.commit, reread };
}

function withChoice(column: ContractColumn, misfits: MisfitChoice): ContractColumn {
  return { ...column, misfits };
}

function replaced(contract: Contract, next: ContractColumn): Contract {
  return { ...withColumn(contract, next, next), version: contract.version + 1 };
}

function holdsText(type: Type): boolean {
  switch (type.kind) {
    case "struct":
      return type.fields.some((field) => holdsText(field.type));
    case "list":
      return holdsText(type.element);
    case "map":
      return holdsText(type.value);
    default:
      return sameType(type, STRING) || hasPlaceholder(type);
  }
}

/** A version of the contract that no row is read again for. */
async function recordOnly(
  ports: LandingPorts,
  config: SourceConfig,
  budget: EngineBudget,
  contract: Contract,
  why: string,
): Promise<bigint> {
  const commit = await republish(ports, budget, {
    config,
    kind: "replay",
    message: why,
    summary: {},
    bronze: null,
    aside: null,
    standIn: await nextStandIn(ports, config.name),
    files: [],
    replaces: [],
    contract,
    fixes: [],
    events: [],
  });
  if (commit !== null) return commit;
  throw new LakeError("conflict", `another writer changed ${config.into} meanwhile`, {
    hint: "nothing was changed; run it again",
  });
}
