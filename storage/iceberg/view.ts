/**
 * Views as Iceberg records them: queries by dialect in versions, the schemas that they answer, and how one version
 * follows another. Only what a rule is about is typed; the rest is kept as it came. Iceberg view spec, version 1.
 */

import { LakeError } from "../../core/base/errors.ts";
import {
  isJsonObject,
  type JsonObject,
  listField,
  numberField,
  objectField,
  objectsField,
  parseJson,
  sameJson,
  stringField,
  stringifyJson,
  stringsField,
  unknownFields,
} from "../../core/base/json.ts";
import { metadataText } from "./metadata.ts";

export interface ViewMetadata {
  readonly uuid: string;
  readonly location: string;
  readonly currentVersionId: number;
  readonly schemas: readonly JsonObject[];
  readonly versions: readonly JsonObject[];
  readonly versionLog: readonly JsonObject[];
  readonly properties: Readonly<Record<string, string>>;
  /** Fields that we do not know. */
  readonly extra: JsonObject;
}

/** One step from a view's metadata to the next. Iceberg REST spec, `ViewUpdate`. */
export type ViewUpdate =
  | { readonly kind: "assign-uuid"; readonly uuid: string }
  | { readonly kind: "upgrade-format-version"; readonly formatVersion: number }
  | { readonly kind: "add-schema"; readonly schema: JsonObject }
  | { readonly kind: "set-location"; readonly location: string }
  | { readonly kind: "set-properties"; readonly properties: Readonly<Record<string, string>> }
  | { readonly kind: "remove-properties"; readonly names: readonly string[] }
  | { readonly kind: "add-view-version"; readonly version: JsonObject }
  | { readonly kind: "set-current-view-version"; readonly versionId: number };

const FORMAT_VERSION = 1;
/** As an id: the one that was added last. */
const LAST_ADDED = -1;
const HISTORY_SIZE = "version.history.num-entries";
const HISTORY_SIZE_DEFAULT = 10;
const DROP_DIALECT_ALLOWED = "replace.drop-dialect.allowed";
const KNOWN_FIELDS: ReadonlySet<string> = new Set([
  "view-uuid",
  "format-version",
  "location",
  "current-version-id",
  "schemas",
  "versions",
  "version-log",
  "properties",
]);

/** Reads a view's metadata file; `location` stands in errors. Throws `corrupt`, `unsupported`. */
export function parseView(bytes: Uint8Array | string, location: string): ViewMetadata {
  const json = parsed(bytes, location);
  const version = numberField(json, "format-version");
  if (version !== FORMAT_VERSION) {
    throw new LakeError("unsupported", `${location}: Iceberg view format version ${version}`);
  }
  return {
    uuid: stringField(json, "view-uuid"),
    location: stringField(json, "location"),
    currentVersionId: numberField(json, "current-version-id"),
    schemas: objectsField(json, "schemas"),
    versions: objectsField(json, "versions"),
    versionLog: objectsField(json, "version-log"),
    properties: stringsField(json, "properties"),
    extra: unknownFields(json, KNOWN_FIELDS),
  };
}

function parsed(bytes: Uint8Array | string, location: string): JsonObject {
  let cause: unknown = null;
  try {
    const json = parseJson(metadataText(bytes));
    if (isJsonObject(json)) return json;
  } catch (thrown) {
    cause = thrown;
  }
  throw new LakeError("corrupt", `${location}: not the metadata of a view`, { cause });
}

/** The JSON of a view's metadata file. */
export function viewJson(view: ViewMetadata): string {
  return stringifyJson({
    "view-uuid": view.uuid,
    "format-version": FORMAT_VERSION,
    location: view.location,
    schemas: view.schemas,
    "current-version-id": view.currentVersionId,
    versions: view.versions,
    "version-log": view.versionLog,
    properties: view.properties,
    ...view.extra,
  });
}

/** Reads one update. Throws `usage` for a kind that is not known of views. */
export function parseViewUpdate(json: JsonObject): ViewUpdate {
  const kind = stringField(json, "action");
  switch (kind) {
    case "assign-uuid":
      return { kind, uuid: stringField(json, "uuid") };
    case "upgrade-format-version":
      return { kind, formatVersion: numberField(json, "format-version") };
    case "add-schema":
      return { kind, schema: objectField(json, "schema") };
    case "set-location":
      return { kind, location: stringField(json, "location") };
    case "set-properties":
      return { kind, properties: stringsField(json, "updates") };
    case "remove-properties":
      return { kind, names: listField(json, "removals").map(String) };
    case "add-view-version":
      return { kind, version: checkedVersion(objectField(json, "view-version")) };
    case "set-current-view-version":
      return { kind, versionId: numberField(json, "view-version-id") };
    default:
      throw new LakeError("usage", `${kind} is not known of views`);
  }
}

/** Throws for what is no version. */
function checkedVersion(version: JsonObject): JsonObject {
  numberField(version, "version-id");
  numberField(version, "timestamp-ms");
  numberField(version, "schema-id");
  stringsField(version, "summary");
  for (const level of listField(version, "default-namespace")) {
    if (typeof level !== "string")
      throw new LakeError("usage", "default-namespace is no namespace");
  }
  const representations = objectsField(version, "representations");
  if (representations.length === 0) throw new LakeError("usage", "a view version has no query");
  for (const representation of representations) {
    if (representation.type !== "sql") continue;
    stringField(representation, "sql");
    stringField(representation, "dialect");
  }
  return version;
}

/** What has been applied so far. */
interface State {
  readonly view: ViewMetadata;
  readonly lastVersionId: number | null;
  readonly lastSchemaId: number | null;
  /** Versions that came with these updates. */
  readonly added: ReadonlySet<number>;
  readonly entry: JsonObject | null;
}

const NO_VIEW: ViewMetadata = {
  uuid: "",
  location: "",
  currentVersionId: LAST_ADDED,
  schemas: [],
  versions: [],
  versionLog: [],
  properties: {},
  extra: {},
};

/** The metadata that `updates` make of a view, or of nothing. Java: ViewMetadata.Builder. Throws `usage`. */
export function applyViewUpdates(
  view: ViewMetadata | null,
  updates: readonly ViewUpdate[],
  at: { readonly nowMs: number },
): ViewMetadata {
  let state: State = {
    view: view ?? NO_VIEW,
    lastVersionId: null,
    lastSchemaId: null,
    added: new Set(),
    entry: null,
  };
  for (const update of updates) state = apply(state, update, at.nowMs);
  const { view: made, added, entry } = state;
  if (made.uuid === "") throw refused("a new view lacks the update assign-uuid");
  if (made.location === "") throw refused("Invalid location: null");
  if (made.versions.length === 0) throw refused("Invalid view: no versions were added");
  const current = versionOf(made, made.currentVersionId);
  if (current === null) throw refused("a new view lacks the update set-current-view-version");
  if (view !== null) checkDialects(versionOf(view, view.currentVersionId), current, made);
  const versionLog = entry === null ? made.versionLog : [...made.versionLog, entry];
  return thinned({ ...made, versionLog }, added);
}

function apply(state: State, update: ViewUpdate, nowMs: number): State {
  const { view } = state;
  const next = (changed: Partial<ViewMetadata>): State => ({
    ...state,
    view: { ...view, ...changed },
  });
  switch (update.kind) {
    case "assign-uuid":
      if (view.uuid !== "" && view.uuid !== update.uuid) throw refused("Cannot reassign uuid");
      return next({ uuid: update.uuid });
    case "upgrade-format-version":
      if (update.formatVersion === FORMAT_VERSION) return state;
      throw refused(`a view of format v${FORMAT_VERSION} cannot become v${update.formatVersion}`);
    case "add-schema":
      return withSchema(state, update.schema);
    case "set-location":
      return next({ location: update.location });
    case "set-properties":
      return next({ properties: { ...view.properties, ...update.properties } });
    case "remove-properties": {
      const kept = Object.entries(view.properties).filter(([key]) => !update.names.includes(key));
      return next({ properties: Object.fromEntries(kept) });
    }
    case "add-view-version":
      return withVersion(state, update.version);
    case "set-current-view-version":
      return withCurrent(state, update.versionId, nowMs);
  }
}

/** An equal earlier schema is taken up again. */
function withSchema(state: State, schema: JsonObject): State {
  const { view } = state;
  const known = view.schemas.find((one) => sameJson(plainSchema(one), plainSchema(schema)));
  if (known !== undefined) return { ...state, lastSchemaId: numberField(known, "schema-id", 0) };
  const ids = view.schemas.map((one) => numberField(one, "schema-id", 0));
  const schemaId = Math.max(-1, ...ids) + 1;
  const schemas = [...view.schemas, { ...schema, "schema-id": schemaId }];
  return { ...state, lastSchemaId: schemaId, view: { ...view, schemas } };
}

/** Without what says nothing of its columns. */
function plainSchema({ fields, "identifier-field-ids": identifiers }: JsonObject): JsonObject {
  const own = Array.isArray(identifiers) ? identifiers : [];
  return { fields: fields ?? [], identifiers: own };
}

/** A version that would behave the same is taken up again. */
function withVersion(state: State, asked: JsonObject): State {
  const { view, added } = state;
  const schemaId = schemaIdOf(state, numberField(asked, "schema-id"));
  const version = { ...asked, "schema-id": schemaId };
  const known = view.versions.find((one) => sameJson(behaviour(one), behaviour(version)));
  if (known !== undefined) return { ...state, lastVersionId: idOf(known) };
  checkOnePerDialect(version);
  const above = Math.max(0, ...view.versions.map(idOf)) + 1;
  const isFree = view.versions.every((one) => idOf(one) < idOf(version));
  const versionId = isFree ? idOf(version) : above;
  const versions = [...view.versions, { ...version, "version-id": versionId }];
  return {
    ...state,
    lastVersionId: versionId,
    added: new Set([...added, versionId]),
    view: { ...view, versions },
  };
}

function schemaIdOf({ view, lastSchemaId }: State, asked: number): number {
  if (asked === LAST_ADDED && lastSchemaId !== null) return lastSchemaId;
  if (asked === LAST_ADDED) throw refused("Cannot set last added schema: no schema has been added");
  if (view.schemas.some((one) => numberField(one, "schema-id", 0) === asked)) return asked;
  throw refused(`Cannot add version with unknown schema: ${asked}`);
}

/** All of a version but its id and its time. */
function behaviour(version: JsonObject): JsonObject {
  return {
    summary: stringsField(version, "summary"),
    representations: listField(version, "representations"),
    catalog: version["default-catalog"] ?? null,
    namespace: listField(version, "default-namespace"),
    schema: version["schema-id"] ?? null,
  };
}

function checkOnePerDialect(version: JsonObject): void {
  const dialects = new Set<string>();
  for (const dialect of dialectsOf(version)) {
    if (dialects.has(dialect)) {
      const text = `Invalid view version: Cannot add multiple queries for dialect ${dialect}`;
      throw refused(text);
    }
    dialects.add(dialect);
  }
}

function dialectsOf(version: JsonObject): readonly string[] {
  return objectsField(version, "representations")
    .filter((one) => one.type === "sql")
    .map((one) => stringField(one, "dialect").toLowerCase());
}

function withCurrent(state: State, asked: number, nowMs: number): State {
  const { view, lastVersionId, added } = state;
  if (asked === LAST_ADDED && lastVersionId === null) {
    throw refused("Cannot set last version id: no current version id has been set");
  }
  const versionId = asked === LAST_ADDED ? (lastVersionId ?? asked) : asked;
  if (versionId === view.currentVersionId) return state;
  const version = versionOf(view, versionId);
  if (version === null) throw refused(`Cannot set current version to unknown version: ${asked}`);
  const timestampMs = added.has(versionId) ? numberField(version, "timestamp-ms") : nowMs;
  const entry = { "timestamp-ms": timestampMs, "version-id": versionId };
  return { ...state, entry, view: { ...view, currentVersionId: versionId } };
}

function versionOf(view: ViewMetadata, id: number): JsonObject | null {
  return view.versions.find((one) => idOf(one) === id) ?? null;
}

function idOf(version: JsonObject): number {
  return numberField(version, "version-id");
}

/** Whoever asks in a dialect can still, unless the view lets go of them. */
function checkDialects(before: JsonObject | null, after: JsonObject, made: ViewMetadata): void {
  if (before === null || made.properties[DROP_DIALECT_ALLOWED]?.toLowerCase() === "true") return;
  const [old, now] = [dialectsOf(before), dialectsOf(after)];
  if (old.every((dialect) => now.includes(dialect))) return;
  throw refused(
    `Cannot replace view due to loss of view dialects (${DROP_DIALECT_ALLOWED}=false):\n` +
      `Previous dialects: [${old.join(", ")}]\nNew dialects: [${now.join(", ")}]`,
  );
}

/** The newest versions, as many as the view keeps, and the log since the last one that is gone. */
function thinned(view: ViewMetadata, added: ReadonlySet<number>): ViewMetadata {
  const text = view.properties[HISTORY_SIZE] ?? String(HISTORY_SIZE_DEFAULT);
  const size = /^-?\d{1,9}$/.test(text) ? Number(text) : 0;
  if (size <= 0) throw refused(`${HISTORY_SIZE} must be positive but was ${text}`);
  const kept = Math.max(size, new Set([...added, view.currentVersionId]).size);
  if (view.versions.length <= kept) return view;
  const newest = [...view.versions].sort((a, b) => idOf(b) - idOf(a));
  const others = newest.filter((one) => idOf(one) !== view.currentVersionId).slice(0, kept - 1);
  const ids = new Set([view.currentVersionId, ...others.map(idOf)]);
  const isGone = (entry: JsonObject): boolean => !ids.has(numberField(entry, "version-id"));
  return {
    ...view,
    versions: view.versions.filter((one) => ids.has(idOf(one))),
    versionLog: view.versionLog.slice(view.versionLog.findLastIndex(isGone) + 1),
  };
}

function refused(message: string): LakeError {
  return new LakeError("usage", message);
}
