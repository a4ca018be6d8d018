/** Namespaces over HTTP. */

import { listField, stringsField } from "../../../core/base/json.ts";
import { refusal } from "../../../storage/catalog/refusal.ts";
import { type Answer, type Ask, NO_CONTENT, ok, readingBody } from "./answer.ts";
import type { Door } from "./door.ts";
import { levelsIn, levelsOf, namespaceAsked, pageOf } from "./names.ts";

export async function list({ catalog }: Door, { query }: Ask): Promise<Answer> {
  const parent = query.get("parent");
  const names = await catalog.namespaces(
    parent === null || parent === "" ? null : levelsOf(parent),
  );
  const { page, next } = pageOf(names, query);
  return ok({ namespaces: page.map((name) => name.split(".")), "next-page-token": next });
}

export async function create(door: Door, ask: Ask): Promise<Answer> {
  const body = await ask.body();
  const asked = readingBody(() => ({
    levels: levelsIn(body, "namespace"),
    properties: stringsField(body, "properties"),
  }));
  const properties = await door.change(() =>
    door.catalog.createNamespace(asked.levels, asked.properties),
  );
  return ok({ namespace: asked.levels, properties });
}

export async function load({ catalog }: Door, ask: Ask): Promise<Answer> {
  const namespace = namespaceAsked(ask);
  return ok({ namespace, properties: await catalog.namespace(namespace) });
}

export async function exists({ catalog }: Door, ask: Ask): Promise<Answer> {
  const isThere = await catalog.hasNamespace(namespaceAsked(ask));
  return isThere ? NO_CONTENT : { status: 404, body: null };
}

export async function drop(door: Door, ask: Ask): Promise<Answer> {
  await door.change(() => door.catalog.dropNamespace(namespaceAsked(ask)));
  return NO_CONTENT;
}

export async function update(door: Door, ask: Ask): Promise<Answer> {
  const body = await ask.body();
  const { updates, removals } = readingBody(() => ({
    updates: stringsField(body, "updates"),
    removals: listField(body, "removals").map((key) => {
      if (typeof key === "string") return key;
      throw refusal("BadRequestException", 'Malformed request: "removals" is no list of texts');
    }),
  }));
  const { updated, removed, missing } = await door.change(() =>
    door.catalog.updateNamespace(namespaceAsked(ask), updates, removals),
  );
  return ok({ updated, removed, missing });
}
