/** Decoding ahead: segments of a transaction are read while it comes, so that little is left when it is committed. */

import { nextBatchId } from "./batch-id.ts";
import { quarantineTarget } from "./bronze-table.ts";
import { currentContract, versionsFor } from "./current-contract.ts";
import { firstRequest } from "./decode-group.ts";
import type { EngineBudget, LandingPorts } from "./landing.ts";
import { quarantineTable } from "./quarantine.ts";
import type { AheadNews, ComingSegment } from "./source.ts";

/** One source's, one after the other. Nothing of it is needed for anything: what fails is done when it lands. */
export class AheadWork {
  #work: Promise<void> = Promise.resolve();

  take(ports: LandingPorts, news: AheadNews, budget: EngineBudget): void {
    if (news.kind === "there") return;
    this.#work = this.#work
      .then(() =>
        news.kind === "coming"
          ? decodeAhead(ports, news.segment, budget)
          : ports.engine.forgetAhead?.(news.paths),
      )
      .catch(() => {});
  }

  /** All of it is done, or came to nothing. */
  async settled(): Promise<void> {
    await this.#work;
  }
}

async function decodeAhead(
  ports: LandingPorts,
  { config, path, sizeBytes, rows }: ComingSegment,
  budget: EngineBudget,
): Promise<void> {
  const { catalog, engine, clock, random } = ports;
  if (engine.decodeAhead === undefined) return;
  const contract = await currentContract(catalog, config);
  const rejects = quarantineTable(config.into);
  const table = await catalog.load(config.into);
  const ingestedAtMs = clock.nowMs();
  const batch = nextBatchId(ingestedAtMs, null, random.uuid());
  const name = path.slice(path.lastIndexOf("/") + 1);
  const file = { name, path, sha256: "", sizeBytes, fromByte: 0, newlines: 0, coming: rows };
  const request = await firstRequest(ports, {
    batch,
    ingestedAtMs,
    source: config,
    contract,
    versions: await versionsFor(catalog, config, contract),
    table,
    quarantine: quarantineTarget(rejects, await catalog.load(rejects), random),
    files: [file],
    fixes: [],
    folder: `${batch}-ahead`,
    ...budget,
  });
  if (request !== null) await engine.decodeAhead(request);
}
