/**
 * What other engines commit through us: requirements and updates of one table or several, in one transaction with one
 * number and one time. Each attempt looks at the tables as they are then; a requirement that does not hold is the
 * client's to solve.
 */

import { errorText, LakeError } from "../../core/base/errors.ts";
import { untilFirst } from "../../core/table/publish.ts";
import type { TableName } from "../../core/table/types.ts";
import type { TableVersion } from "../iceberg/metadata.ts";
import { checkRequirements } from "../iceberg/metadata-update.ts";
import type { TableCommit } from "../iceberg/table-commit.ts";
import { type Staged, stageCommit } from "../iceberg/transaction.ts";
import { currentVersion, discardFiles, writeFiles } from "./commit.ts";
import type { CatalogContext } from "./context.ts";
import { CommitDoubt } from "./database.ts";
import { partsOf, readAttempt } from "./history.ts";
import type { LakeStore } from "./lake-store.ts";
import { namespaceExists } from "./namespaces.ts";
import {
  type CommitRow,
  insertCommit,
  insertCommitTable,
  type Move,
  orRefused,
  queueObsolete,
  stepsSince,
  swapPointers,
  toForeignRow,
  toHead,
} from "./publish.ts";
import { noSuchNamespace, noSuchTable, refusal } from "./refusal.ts";
import { checkPlaces, metadataHome, type Places, placeOf } from "./table-place.ts";
import { isView } from "./view-pointers.ts";

/** One table's part. */
export interface AskedCommit {
  readonly name: TableName;
  readonly commit: TableCommit;
}

/** A step of a table that is about to be taken; `base` is null where the table is made by it. */
export interface ForeignStepAsked {
  readonly name: TableName;
  readonly base: TableVersion | null;
  readonly next: TableVersion;
  readonly commit: TableCommit;
}

export interface ForeignOptions {
  readonly message: string;
  /** How the history tells it; `foreign` when absent. */
  readonly kind?: "foreign" | "write";
  readonly places: Places;
  /** Throws for what may not be done. */
  readonly guard: (step: ForeignStepAsked) => void;
  /** More that is written in the same transaction, by the number of the commit. */
  readonly also?: (number: bigint) => void;
}

/** The versions that the tables have after it, in the order that was asked. Throws what `refusal` makes. */
export async function commitForeign(
  context: CatalogContext,
  asked: readonly AskedCommit[],
  options: ForeignOptions,
): Promise<readonly TableVersion[]> {
  context.store.checkWritable();
  const twice = asked.find((one, index) => asked.findIndex((o) => o.name === one.name) !== index);
  if (twice !== undefined) {
    throw refusal("BadRequestException", `Invalid transaction: ${twice.name} is in it twice`);
  }
  const done = await untilFirst(() => attemptOnce(context, asked, options), context);
  if (done !== null) return done;
  const names = asked.map((one) => one.name).join(", ");
  throw refusal("CommitFailedException", `${names} keeps being changed by other writers`);
}

/** Null when another writer was first. */
async function attemptOnce(
  context: CatalogContext,
  asked: readonly AskedCommit[],
  options: ForeignOptions,
): Promise<readonly TableVersion[] | null> {
  const bases: (TableVersion | null)[] = [];
  for (const { name } of asked) bases.push(await currentVersion(context, name));
  const moves: Move[] = [];
  for (const [index, one] of asked.entries()) {
    const base = bases[index] ?? null;
    await checkAsked(context, one, base);
    if (base !== null && one.commit.updates.length === 0) continue;
    moves.push({ name: one.name, base, staged: await stageOne(context, one, base, options) });
  }
  const versionOf = (name: TableName, index: number): TableVersion => {
    const staged = moves.find((move) => move.name === name)?.staged ?? bases[index];
    if (staged === undefined || staged === null) throw noSuchTable(name);
    return { metadata: staged.metadata, metadataLocation: staged.metadataLocation };
  };
  const versions = asked.map(({ name }, index) => versionOf(name, index));
  if (moves.length === 0) return versions;
  return (await publishMoves(context, moves, options)) ? versions : null;
}

/** Whether it may be tried at all, on what there is. */
async function checkAsked(
  context: CatalogContext,
  { name, commit }: AskedCommit,
  base: TableVersion | null,
): Promise<void> {
  const makes = commit.requirements.some(({ kind }) => kind === "assert-create");
  if (base === null && !makes) throw noSuchTable(name);
  const reason = checkRequirements(base?.metadata ?? null, commit.requirements);
  if (reason !== null) throw refusal("CommitFailedException", reason);
  if (base !== null) return;
  const { namespace } = partsOf(name);
  if (!(await namespaceExists(context.store, namespace))) throw noSuchNamespace(namespace);
  if (await context.store.look(() => isView(context.store, name))) {
    throw refusal("AlreadyExistsException", `View with same name already exists: ${name}`);
  }
}

async function stageOne(
  context: CatalogContext,
  { name, commit }: AskedCommit,
  base: TableVersion | null,
  options: ForeignOptions,
): Promise<Staged> {
  const { clock, random } = context;
  const at = { metadataUuid: random.uuid(), nowMs: clock.nowMs() };
  const staged = worded(() => stageCommit(base, commit, at, name));
  const { metadata } = staged;
  if (base === null) await placeOf(context, name, metadata.uuid, metadata.location, options.places);
  checkPlaces(context, base, metadata, options.places);
  const file = staged.metadataLocation.slice(staged.metadataLocation.lastIndexOf("/") + 1);
  const metadataLocation = `${metadataHome(context, name, base, metadata)}/${file}`;
  options.guard({ name, base, next: { metadata, metadataLocation }, commit });
  // Files that fall out of the log are the table owner's, unless he leaves them to the catalog. iceberg.md, row 8.
  const cleans = metadata.properties["write.metadata.delete-after-commit.enabled"] === "true";
  const obsolete = {
    metadataFiles: cleans ? staged.obsolete.metadataFiles : [],
    manifestLists: staged.obsolete.manifestLists,
  };
  const files = staged.files.map((one) => ({ ...one, location: metadataLocation }));
  return { ...staged, metadataLocation, files, obsolete };
}

/** What the table's metadata refuses, in a client's words. */
export function worded<T>(stage: () => T): T {
  try {
    return stage();
  } catch (thrown) {
    if (!(thrown instanceof LakeError)) throw thrown;
    const said = thrown.hint === null ? thrown.message : `${thrown.message} (${thrown.hint})`;
    switch (thrown.code) {
      case "conflict":
        throw refusal("CommitFailedException", `Validation failed, please retry: ${said}`, thrown);
      case "unsupported":
        throw refusal("UnsupportedOperationException", said, thrown);
      case "usage":
      case "schema":
      case "not-found":
      case "corrupt":
        throw refusal("ValidationException", said, thrown);
      default:
        throw thrown;
    }
  }
}

/** False when another writer was first. */
async function publishMoves(
  context: CatalogContext,
  moves: readonly Move[],
  { message, kind = "foreign", also }: ForeignOptions,
): Promise<boolean> {
  const { store, clock, random } = context;
  const attempt = random.uuid();
  const files = moves.flatMap(({ staged }) => staged.files);
  await writeFiles(context, files);
  const discard = (): Promise<void> => discardFiles(context, files);
  let outcome: { readonly kind: string };
  try {
    outcome = await orRefused(() =>
      store.write(() => {
        swapPointers(store, moves);
        const commit = { attempt, kind, message, nowMs: clock.nowMs() };
        const { number, timeMs } = insertCommit(store, commit);
        for (const move of moves) insertCommitTable(store, number, rowOf(move));
        queueObsolete(store, moves, timeMs);
        also?.(number);
        return { kind: "committed" };
      }),
    );
  } catch (thrown) {
    if (!(thrown instanceof CommitDoubt)) {
      await discard();
      throw thrown;
    }
    if (!(await happened(store, attempt, thrown))) {
      await discard();
      throw thrown;
    }
    outcome = { kind: "committed" };
  }
  if (outcome.kind !== "committed") {
    await discard();
    return false;
  }
  for (const { staged } of moves) {
    const size = staged.files.reduce((sum, file) => sum + file.bytes.byteLength, 0);
    const { metadata, metadataLocation } = staged;
    context.metadata.keepWritten({ metadata, metadataLocation }, size);
  }
  return true;
}

/** After a failed COMMIT. Throws when nobody can tell. */
export async function happened(
  store: LakeStore,
  attempt: string,
  doubt: CommitDoubt,
): Promise<boolean> {
  const unknown = (cause: unknown): LakeError =>
    refusal("CommitStateUnknownException", `whether it happened is not known: ${errorText(cause)}`);
  let found: unknown;
  try {
    found = await store.read(() => readAttempt(store, attempt));
  } catch {
    throw unknown(doubt);
  }
  if (found !== null) return true;
  // After an I/O error the log may hold the commit though this process cannot see it.
  if (!doubt.definite) throw unknown(doubt);
  return false;
}

/** One step of the history, however many snapshots it is made of: nobody saw what is between them. */
function rowOf({ name, base, staged }: Move): CommitRow {
  const { metadata, metadataLocation } = staged;
  const version = { metadata, metadataLocation };
  const head = base === null ? null : toHead(name, base);
  const known =
    head === null ? null : { snapshotId: head.snapshotId, sequence: head.sequenceNumber };
  const steps = stepsSince(metadata, known);
  const rows = steps.map(({ snapshot, operation }) =>
    toForeignRow(name, version, snapshot, operation),
  );
  const [first] = rows;
  const last = rows.at(-1);
  if (first === undefined || last === undefined) return toForeignRow(name, version, null, null);
  if (first === last) return last;
  const isOne = rows.every((row) => row.operation === first.operation);
  const sum = (count: (row: CommitRow) => bigint): bigint =>
    rows.reduce((all, row) => all + count(row), 0n);
  return {
    ...last,
    parentId: first.parentId,
    operation: isOne ? first.operation : "overwrite",
    addedRecords: sum((row) => row.addedRecords),
    deletedRecords: sum((row) => row.deletedRecords),
  };
}
