/** Protobuf schemas: the text of a .proto and of what it imports, as plain messages, and column types for them. */

import protobuf from "protobufjs";
import type { SegmentSchema } from "../../../core/ingest/segment.ts";
import { COLUMNS_MAX, TYPE_DEPTH_MAX } from "../../../core/limits.ts";
import { STRING } from "../../../core/table/type-text.ts";
import type { PrimitiveName, Type } from "../../../core/table/types.ts";
import { Unreadable } from "../unreadable.ts";

export type ProtoNode =
  | { readonly kind: "scalar"; readonly name: ProtoScalar }
  /** Names by number; the first of those that have the same. */
  | { readonly kind: "enum"; readonly names: ReadonlyMap<number, string>; readonly first: number }
  | ProtoMessage;

export interface ProtoMessage {
  readonly kind: "message";
  /** With its package, without a point before it. */
  readonly name: string;
  /** Filled once the message is known: its fields may name it. */
  readonly fields: ProtoField[];
}

export interface ProtoField {
  readonly name: string;
  readonly number: number;
  readonly node: ProtoNode;
  readonly label: "one" | "many" | "map";
  /** Of a map. */
  readonly key: ProtoScalar;
  /** Whether it was sent is known: where it was not it is NULL, else what the language says in its place. */
  readonly hasPresence: boolean;
  /** It stands between two marks, and not behind its length. */
  readonly isGroup: boolean;
  /** Of the fields of one name here, the last that was sent counts. */
  readonly oneOf: string | null;
}

const SCALARS = {
  double: "double",
  float: "float",
  int32: "int",
  sint32: "int",
  sfixed32: "int",
  uint32: "long",
  fixed32: "long",
  int64: "long",
  sint64: "long",
  sfixed64: "long",
  uint64: null,
  fixed64: null,
  bool: "boolean",
  string: "string",
  bytes: "binary",
} as const satisfies Record<string, PrimitiveName | null>;

export type ProtoScalar = keyof typeof SCALARS;

const MAIN = "the schema itself";
const OPTIONS = { keepCase: true };
const UINT64: Type = { kind: "decimal", precision: 20, scale: 0 };
/** Seconds with nine digits behind the point; protobuf's own range has twelve before it. */
const DURATION: Type = { kind: "decimal", precision: 21, scale: 9 };
/** What Confluent's serializers put beside every schema. */
const CONFLUENT: Readonly<Record<string, string>> = {
  "confluent/type/decimal.proto":
    'syntax = "proto3"; package confluent.type; ' +
    "message Decimal { bytes value = 1; uint32 precision = 2; int32 scale = 3; }",
};

/** The messages of the schema itself, in their order, each with those in it. Throws Unreadable. */
export interface ProtoFile {
  /** By the places of messages in each other; null where there is none. */
  message(path: readonly number[]): ProtoMessage | null;
}

/** Throws Unreadable for a text that is none. */
export function parseProto(text: string, references: SegmentSchema["references"]): ProtoFile {
  const root = new protobuf.Root();
  try {
    const imports = new Set<string>();
    for (const reference of references) parseInto(root, reference.name, reference.text, imports);
    const packageName = parseInto(root, MAIN, text, imports);
    addKnown(root, imports, new Set(references.map(({ name }) => name)));
    root.resolveAll();
    const home = packageName === "" ? root : root.lookup(packageName);
    if (!(home instanceof protobuf.Namespace)) throw new Error("it has no messages");
    const top = messagesIn(home).filter(({ filename }) => filename === MAIN);
    return fileOf(top);
  } catch (thrown) {
    if (thrown instanceof Unreadable) throw thrown;
    const message = thrown instanceof Error ? thrown.message : String(thrown);
    throw new Unreadable("unreadable", `the Protobuf schema is broken: ${message}`);
  }
}

/**
 * The type whose values are exactly those of a node. Text of JSON: what holds itself, messages without fields or with
 * names that differ in case only, and what nests too deep.
 */
export function protoType(node: ProtoNode, path: readonly ProtoNode[] = []): Type {
  if (path.length > TYPE_DEPTH_MAX || path.includes(node)) return STRING;
  if (node.kind === "enum") return STRING;
  if (node.kind === "scalar") return scalarType(node.name);
  const known = KNOWN_TYPES.get(node.name);
  if (known !== undefined) return known;
  const names = new Set(node.fields.map(({ name }) => name.toLowerCase()));
  if (node.fields.length === 0 || names.size < node.fields.length) return STRING;
  const fields = node.fields.map((field) => {
    const type = fieldType(field, [...path, node]);
    return { id: 0, name: field.name, required: false, type };
  });
  return { kind: "struct", fields };
}

export function fieldType({ node, label, key }: ProtoField, path: readonly ProtoNode[] = []): Type {
  const type = protoType(node, path);
  if (label === "one") return type;
  if (label === "many") {
    return { kind: "list", elementId: 0, elementRequired: false, element: type };
  }
  const keyType = scalarType(key);
  return { kind: "map", keyId: 0, key: keyType, valueId: 0, valueRequired: false, value: type };
}

/** Messages that stand for something else; Struct and its parts are JSON. Protobuf, "Well-Known Types". */
const KNOWN_TYPES: ReadonlyMap<string, Type> = new Map<string, Type>([
  ["google.protobuf.Timestamp", { kind: "primitive", name: "timestamptz" }],
  ["google.protobuf.Duration", DURATION],
  ["google.protobuf.DoubleValue", scalarType("double")],
  ["google.protobuf.FloatValue", scalarType("float")],
  ["google.protobuf.Int64Value", scalarType("int64")],
  ["google.protobuf.UInt64Value", scalarType("uint64")],
  ["google.protobuf.Int32Value", scalarType("int32")],
  ["google.protobuf.UInt32Value", scalarType("uint32")],
  ["google.protobuf.BoolValue", scalarType("bool")],
  ["google.protobuf.StringValue", scalarType("string")],
  ["google.protobuf.BytesValue", scalarType("bytes")],
  ["google.protobuf.Struct", STRING],
  ["google.protobuf.Value", STRING],
  ["google.protobuf.ListValue", STRING],
  ["confluent.type.Decimal", STRING],
]);

function scalarType(name: ProtoScalar): Type {
  const primitive = SCALARS[name];
  return primitive === null ? UINT64 : { kind: "primitive", name: primitive };
}

/** The package of the text. */
function parseInto(root: protobuf.Root, name: string, text: string, imports: Set<string>): string {
  Object.assign(protobuf.parse, { filename: name });
  const parsed = protobuf.parse(text, root, OPTIONS);
  for (const path of [...(parsed.imports ?? []), ...(parsed.weakImports ?? [])]) imports.add(path);
  return parsed.package ?? "";
}

/** What is imported that no registry has, for every compiler brings it along. */
function addKnown(
  root: protobuf.Root,
  imports: ReadonlySet<string>,
  given: ReadonlySet<string>,
): void {
  for (const path of imports) {
    if (given.has(path)) continue;
    const own = CONFLUENT[path];
    const nested = protobuf.common.get(path)?.nested;
    if (own !== undefined) parseInto(root, path, own, new Set());
    else if (nested !== undefined) root.addJSON(nested);
  }
}

/** A group is the type of a field, and no message of the file. */
function messagesIn(home: Pick<protobuf.Namespace, "nestedArray">): readonly protobuf.Type[] {
  return home.nestedArray.flatMap((one) => {
    const isGroup = "group" in one && one.group === true;
    return one instanceof protobuf.Type && !isGroup ? [one] : [];
  });
}

function fileOf(top: readonly protobuf.Type[]): ProtoFile {
  const nodes = new Nodes();
  return {
    message: (path) => {
      let found: protobuf.Type | undefined;
      let here = top;
      for (const place of path) {
        found = here[place];
        if (found === undefined) return null;
        here = messagesIn(found);
      }
      return found === undefined ? null : nodes.message(found);
    },
  };
}

/** Messages as they were reflected, made plain; each once, for one may hold itself. */
class Nodes {
  readonly #known = new Map<protobuf.Type, ProtoMessage>();

  message(type: protobuf.Type): ProtoMessage {
    const known = this.#known.get(type);
    if (known !== undefined) return known;
    if (type.fieldsArray.length > COLUMNS_MAX) {
      throw new Unreadable("limit", `a message has more than ${COLUMNS_MAX} fields`);
    }
    const name = type.fullName.replace(/^\./, "");
    const made: ProtoMessage = { kind: "message", name, fields: [] };
    this.#known.set(type, made);
    for (const field of type.fieldsArray) made.fields.push(this.#field(field));
    return made;
  }

  #field(field: protobuf.Field): ProtoField {
    const { resolvedType } = field;
    const isMap = field instanceof protobuf.MapField;
    const isMessage = resolvedType instanceof protobuf.Type;
    return {
      name: field.name,
      number: field.id,
      node: this.#node(field),
      label: isMap ? "map" : field.repeated ? "many" : "one",
      key: isMap ? scalarOf(field.keyType) : "string",
      hasPresence: isMessage || Boolean(field.hasPresence),
      isGroup: field.delimited,
      oneOf: field.partOf?.name ?? null,
    };
  }

  #node({ resolvedType, type }: protobuf.Field): ProtoNode {
    if (resolvedType === null) return { kind: "scalar", name: scalarOf(type) };
    if (resolvedType instanceof protobuf.Type) return this.message(resolvedType);
    const names = new Map<number, string>();
    for (const [name, number] of Object.entries(resolvedType.values)) {
      if (!names.has(number)) names.set(number, name);
    }
    return { kind: "enum", names, first: Object.values(resolvedType.values)[0] ?? 0 };
  }
}

function scalarOf(name: string): ProtoScalar {
  if (isScalar(name)) return name;
  throw new Unreadable("unreadable", `the Protobuf schema is broken: there is no type ${name}`);
}

function isScalar(name: string): name is ProtoScalar {
  return Object.hasOwn(SCALARS, name);
}
