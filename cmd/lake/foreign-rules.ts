/**
 * What other engines may do to a table, by who makes it. Rows may come to where rows land, and leave it; a model's
 * table holds what its query says and nothing else; what the lake itself knows of a table is not theirs to change.
 */

import { writerOfQuarantine } from "../../core/ingest/quarantine.ts";
import type { TableName } from "../../core/table/types.ts";
import type { ForeignStepAsked } from "../../storage/catalog/foreign-commit.ts";
import { refusal } from "../../storage/catalog/refusal.ts";
import { currentSnapshot, findSnapshot } from "../../storage/iceberg/metadata.ts";
import type { RecordedSnapshot } from "../../storage/iceberg/snapshot.ts";
import type { Update } from "../../storage/iceberg/table-commit.ts";
import type { Session } from "../open.ts";
import { sourceTables } from "./drops.ts";
import { streamTables } from "./sources.ts";

/** Who makes a table. */
export interface Maker {
  readonly kind: "model" | "source" | "quarantine";
  /** `models/gold/daily.sql makes gold.daily`. */
  readonly text: string;
}

export type Makers = (name: TableName) => Maker | null;

/** Updates that say how a table is, which is its maker's to say. */
const DESCRIBING: ReadonlySet<Update["kind"]> = new Set([
  "assign-uuid",
  "upgrade-format-version",
  "add-schema",
  "set-current-schema",
  "add-spec",
  "set-default-spec",
  "add-sort-order",
  "set-default-sort-order",
  "set-location",
  "remove-snapshots",
  "remove-partition-specs",
  "remove-schemas",
]);
const OWN_PROPERTIES = "tarn.";

/** As the project is now. */
export async function makersOf(session: Session): Promise<Makers> {
  const sources = new Map([
    ...(await sourceTables(session.root, session.config)),
    ...(await streamTables(session)).map(({ into, name }) => [into, name] as const),
  ]);
  const { models } = session.project;
  return (name) => {
    const model = models.find((one) => one.name === name);
    if (model !== undefined) return { kind: "model", text: `${model.file} makes ${name}` };
    const source = sources.get(name);
    if (source !== undefined) return { kind: "source", text: `source ${source} lands in ${name}` };
    const writer = isOurs(name) ? writerOfQuarantine(name) : null;
    if (writer === null) return null;
    return { kind: "quarantine", text: `${name} holds what ${writer} sets aside` };
  };
}

/** Nothing of ours is in a namespace of several levels. */
function isOurs(name: TableName): boolean {
  return name.split(".").length === 2;
}

/** Throws where a commit does what its table's maker alone may do. */
export function guardBy(makers: Makers): (step: ForeignStepAsked) => void {
  return (step) => {
    const maker = makers(step.name);
    if (maker === null) return;
    const { base, next, commit } = step;
    if (base === null) throw forbidden(maker, "no other engine may make it");
    const describing = commit.updates.find((update) => DESCRIBING.has(update.kind));
    if (describing !== undefined) {
      throw forbidden(maker, `another engine may not ${describing.kind.replaceAll("-", " ")}`);
    }
    for (const key of touchedProperties(commit.updates)) {
      if (key.startsWith(OWN_PROPERTIES)) throw forbidden(maker, `${key} is its own property`);
    }
    const steps = stepsOfMain(currentSnapshot(base.metadata), next);
    if (steps === null) throw forbidden(maker, "its past is put back by tarn restore alone");
    if (maker.kind === "source") return;
    if (steps.every(({ operation }) => operation === "replace")) return;
    throw forbidden(
      maker,
      "rows of another engine would be lost; write them to a table of its own",
    );
  };
}

/** Throws where a table is not another engine's to make, drop or rename. */
export function refuseMade(
  makers: Makers,
  name: TableName,
  doing: "make" | "drop" | "rename",
): void {
  const maker = makers(name);
  if (maker !== null) throw forbidden(maker, `no other engine may ${doing} it`);
}

function forbidden({ text }: Maker, why: string): Error {
  return refusal("ForbiddenException", `${text}: ${why}`);
}

function touchedProperties(updates: readonly Update[]): readonly string[] {
  return updates.flatMap((update) => {
    if (update.kind === "set-properties") return Object.keys(update.properties);
    return update.kind === "remove-properties" ? update.names : [];
  });
}

/** Snapshots by which main came from one to where it is now; null where they do not lead there. */
function stepsOfMain(
  from: RecordedSnapshot | null,
  { metadata }: ForeignStepAsked["next"],
): readonly RecordedSnapshot[] | null {
  const steps: RecordedSnapshot[] = [];
  let at = currentSnapshot(metadata);
  while (at !== null && at.snapshotId !== from?.snapshotId) {
    steps.push(at);
    at = findSnapshot(metadata, at.parentId);
  }
  return (at?.snapshotId ?? null) === (from?.snapshotId ?? null) ? steps : null;
}
