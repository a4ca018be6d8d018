/** Views over HTTP: queries that other engines keep for each other, each in its own dialect. */

import {
  type JsonObject,
  objectField,
  objectsField,
  stringField,
  stringifyJson,
  stringsField,
} from "../../../core/base/json.ts";
import { noSuchView, refusal } from "../../../storage/catalog/refusal.ts";
import type { LoadedView } from "../../../storage/catalog/views.ts";
import { parseViewUpdate } from "../../../storage/iceberg/view.ts";
import { refuseMade } from "../../lake/foreign-rules.ts";
import { type Answer, type Ask, NO_CONTENT, ok, readingBody } from "./answer.ts";
import type { Door } from "./door.ts";
import {
  identifierIn,
  identifierJson,
  nameAsked,
  nameOf,
  namespaceAsked,
  optionalText,
  pageOf,
} from "./names.ts";

export async function list({ catalog }: Door, ask: Ask): Promise<Answer> {
  const namespace = namespaceAsked(ask);
  const { page, next } = pageOf(await catalog.views(namespace), ask.query);
  const identifiers = page.map((name) => identifierJson(namespace, name));
  return ok({ identifiers, "next-page-token": next });
}

export async function exists({ catalog }: Door, ask: Ask): Promise<Answer> {
  const name = nameAsked(ask);
  if (await catalog.hasView(name)) return NO_CONTENT;
  throw noSuchView(name);
}

export async function load({ catalog }: Door, ask: Ask): Promise<Answer> {
  return viewAnswer(await catalog.view(nameAsked(ask)));
}

export async function create(door: Door, ask: Ask): Promise<Answer> {
  const body = await ask.body();
  const asked = readingBody(() => ({
    name: nameOf(namespaceAsked(ask), stringField(body, "name")),
    schema: objectField(body, "schema"),
    version: versionIn(body),
    location: optionalText(body, "location"),
    properties: stringsField(body, "properties"),
  }));
  refuseMade(await door.makers(), asked.name, "make");
  const made = await door.change(() => door.catalog.createView(asked.name, asked));
  return viewAnswer(made);
}

export async function register(door: Door, ask: Ask): Promise<Answer> {
  const body = await ask.body();
  const { name, location } = readingBody(() => ({
    name: nameOf(namespaceAsked(ask), stringField(body, "name")),
    location: stringField(body, "metadata-location"),
  }));
  refuseMade(await door.makers(), name, "make");
  return viewAnswer(await door.change(() => door.catalog.registerView(name, location)));
}

export async function commit(door: Door, ask: Ask): Promise<Answer> {
  const name = nameAsked(ask);
  const body = await ask.body();
  const { uuids, updates } = readingBody(() => ({
    uuids: objectsField(body, "requirements").map(uuidIn),
    updates: objectsField(body, "updates").map(parseViewUpdate),
  }));
  const made = await door.change(() => door.catalog.commitView(name, uuids, updates));
  return viewAnswer(made);
}

export async function drop(door: Door, ask: Ask): Promise<Answer> {
  await door.change(() => door.catalog.dropView(nameAsked(ask)));
  return NO_CONTENT;
}

export async function rename(door: Door, ask: Ask): Promise<Answer> {
  const body = await ask.body();
  const { from, to } = readingBody(() => ({
    from: identifierIn(body, "source"),
    to: identifierIn(body, "destination"),
  }));
  refuseMade(await door.makers(), to, "make");
  await door.change(() => door.catalog.renameView(from, to));
  return NO_CONTENT;
}

/** Read as the update that it becomes. */
function versionIn(body: JsonObject): JsonObject {
  const version = objectField(body, "view-version");
  const update = parseViewUpdate({ action: "add-view-version", "view-version": version });
  return update.kind === "add-view-version" ? update.version : version;
}

function uuidIn(requirement: JsonObject): string {
  if (requirement.type === "assert-view-uuid") return stringField(requirement, "uuid");
  const kind = stringField(requirement, "type");
  throw refusal("BadRequestException", `Malformed request: ${kind} is not known of views`);
}

function viewAnswer({ metadataLocation, metadata }: LoadedView): Answer {
  const location = stringifyJson(metadataLocation);
  return {
    status: 200,
    body: `{"metadata-location":${location},"metadata":${metadata},"config":{}}`,
  };
}
