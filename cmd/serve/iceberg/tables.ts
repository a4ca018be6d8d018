/** Tables over HTTP: their metadata goes out as it is stored, and comes in as requirements and updates. */

import {
  type JsonObject,
  objectsField,
  stringField,
  stringifyJson,
  stringsField,
} from "../../../core/base/json.ts";
import { sha256Hex } from "../../../core/base/sha256.ts";
import type { AskedCommit } from "../../../storage/catalog/foreign-commit.ts";
import type { Loaded } from "../../../storage/catalog/iceberg-catalog.ts";
import { refusal } from "../../../storage/catalog/refusal.ts";
import { metadataJson } from "../../../storage/iceberg/metadata.ts";
import { parseAskedTable } from "../../../storage/iceberg/new-table.ts";
import { parseTableCommit } from "../../../storage/iceberg/table-commit.ts";
import { dropNamed, readersOf } from "../../lake/drop.ts";
import { guardBy, refuseMade } from "../../lake/foreign-rules.ts";
import { type Answer, type Ask, NO_CONTENT, ok, readingBody } from "./answer.ts";
import type { Door } from "./door.ts";
import {
  identifierIn,
  identifierJson,
  isTrue,
  nameAsked,
  nameOf,
  namespaceAsked,
  optionalText,
  pageOf,
} from "./names.ts";

export async function list({ catalog }: Door, ask: Ask): Promise<Answer> {
  const namespace = namespaceAsked(ask);
  const { page, next } = pageOf(await catalog.tables(namespace), ask.query);
  const identifiers = page.map((name) => identifierJson(namespace, name));
  return ok({ identifiers, "next-page-token": next });
}

export async function exists({ catalog }: Door, ask: Ask): Promise<Answer> {
  await catalog.pointer(nameAsked(ask));
  return NO_CONTENT;
}

export async function load({ catalog }: Door, ask: Ask): Promise<Answer> {
  const name = nameAsked(ask);
  const mode = ask.query.get("snapshots") ?? "all";
  if (mode !== "all" && mode !== "refs") {
    throw refusal("IllegalArgumentException", `Invalid snapshots: ${mode}, not all or refs`);
  }
  // The name of a metadata file never stands for another one.
  const pointer = await catalog.pointer(name);
  const etag = etagOf(pointer, mode);
  if (ask.headers.get("if-none-match") === etag && (await catalog.isStored(pointer))) {
    return { status: 304, body: null, headers: { etag } };
  }
  const loaded = await catalog.table(name);
  if (mode === "all" || loaded.metadataLocation === null) return tableAnswer(loaded);
  const { metadata } = await catalog.version(name);
  const kept = new Set([...metadata.refs.values()].map((ref) => ref.snapshotId));
  const snapshots = metadata.snapshots.filter((one) => kept.has(one.snapshotId));
  return tableAnswer({ ...loaded, metadata: metadataJson({ ...metadata, snapshots }) }, mode);
}

export async function create(door: Door, ask: Ask): Promise<Answer> {
  const body = await ask.body();
  const asked = readingBody(() => ({
    ...parseAskedTable(body),
    name: nameOf(namespaceAsked(ask), stringField(body, "name")),
    location: optionalText(body, "location"),
    properties: stringsField(body, "properties"),
  }));
  if (isTrue(body, "stage-create")) {
    return tableAnswer(await door.catalog.stageTable(asked.name, asked));
  }
  const guard = guardBy(await door.makers());
  return tableAnswer(
    await door.change(() => door.catalog.createTable(asked.name, asked, guard, ask.once)),
  );
}

export async function register(door: Door, ask: Ask): Promise<Answer> {
  const body = await ask.body();
  const { name, location } = readingBody(() => ({
    name: nameOf(namespaceAsked(ask), stringField(body, "name")),
    location: stringField(body, "metadata-location"),
  }));
  if (isTrue(body, "overwrite")) {
    throw refusal("UnsupportedOperationException", "a table that is there is not overwritten");
  }
  refuseMade(await door.makers(), name, "make");
  return tableAnswer(await door.change(() => door.catalog.registerTable(name, location)));
}

export async function commit(door: Door, ask: Ask): Promise<Answer> {
  const name = nameAsked(ask);
  const body = await ask.body();
  const asked = { name, commit: commitIn(body) };
  const [loaded] = await commitAll(door, [asked], ask.once);
  return tableAnswer(loaded ?? { metadataLocation: null, metadata: "null" });
}

export async function commitTransaction(door: Door, ask: Ask): Promise<Answer> {
  const body = await ask.body();
  const changes = readingBody(() => objectsField(body, "table-changes"));
  if (changes.length === 0) {
    throw refusal("BadRequestException", "Malformed request: it changes no table");
  }
  const asked = changes.map((change) => ({
    name: readingBody(() => identifierIn(change, "identifier")),
    commit: commitIn(change),
  }));
  await commitAll(door, asked, ask.once);
  return NO_CONTENT;
}

export async function drop(door: Door, ask: Ask): Promise<Answer> {
  const name = nameAsked(ask);
  await door.catalog.pointer(name);
  refuseMade(await door.makers(), name, "drop");
  const isForGood = ask.query.get("purgeRequested")?.toLowerCase() === "true";
  const version = isForGood ? await door.catalog.version(name) : null;
  await door.change(() => dropNamed(door.session, name, false));
  if (version !== null) await door.catalog.purge(version);
  return NO_CONTENT;
}

export async function rename(door: Door, ask: Ask): Promise<Answer> {
  const body = await ask.body();
  const { from, to } = readingBody(() => ({
    from: identifierIn(body, "source"),
    to: identifierIn(body, "destination"),
  }));
  await door.catalog.pointer(from);
  const makers = await door.makers();
  for (const name of [from, to]) refuseMade(makers, name, "rename");
  const readers = from === to ? [] : await readersOf(door.session, [from]);
  if (readers.length > 0) {
    throw refusal("CommitFailedException", `${from} is read by ${readers.join(", ")} by its name`);
  }
  await door.change(() => door.catalog.renameTable(from, to));
  return NO_CONTENT;
}

/** What a client measured of itself is not kept. */
export async function metrics({ catalog }: Door, ask: Ask): Promise<Answer> {
  const body = await ask.body();
  readingBody(() => stringField(body, "report-type"));
  await catalog.pointer(nameAsked(ask));
  return NO_CONTENT;
}

/** Files of the lake are opened by whoever may open them. */
export async function credentials({ catalog }: Door, ask: Ask): Promise<Answer> {
  await catalog.pointer(nameAsked(ask));
  return ok({ "storage-credentials": [] });
}

async function commitAll(
  door: Door,
  asked: readonly AskedCommit[],
  once: Ask["once"],
): Promise<readonly Loaded[]> {
  const guard = guardBy(await door.makers());
  return await door.change(() => door.catalog.commit(asked, guard, once));
}

function commitIn(body: JsonObject): AskedCommit["commit"] {
  return readingBody(() => parseTableCommit(body));
}

function tableAnswer(loaded: Loaded, mode = "all"): Answer {
  const { metadataLocation, metadata } = loaded;
  const location =
    metadataLocation === null ? "" : `"metadata-location":${stringifyJson(metadataLocation)},`;
  const headers = metadataLocation === null ? {} : { etag: etagOf(metadataLocation, mode) };
  return { status: 200, body: `{${location}"metadata":${metadata},"config":{}}`, headers };
}

function etagOf(metadataLocation: string, mode: string): string {
  return `"${sha256Hex(`${mode} ${metadataLocation}`).slice(0, 32)}"`;
}
