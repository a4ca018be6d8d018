/** What the catalog refuses to other engines, by the names that clients of an Iceberg REST catalog act on. */

import { type ErrorCode, LakeError } from "../../core/base/errors.ts";
import type { TableName } from "../../core/table/types.ts";

/** Java's simple class names; clients tell one refusal from another by them. Java: ErrorHandlers. */
const CODES = {
  BadRequestException: "usage",
  IllegalArgumentException: "usage",
  ValidationException: "usage",
  UnprocessableEntityException: "usage",
  ForbiddenException: "usage",
  NoSuchNamespaceException: "not-found",
  NoSuchTableException: "not-found",
  NoSuchViewException: "not-found",
  NotFoundException: "not-found",
  UnsupportedOperationException: "unsupported",
  AlreadyExistsException: "conflict",
  NamespaceNotEmptyException: "conflict",
  CommitFailedException: "conflict",
  CommitStateUnknownException: "io",
} as const satisfies Record<string, ErrorCode>;

export type RefusalType = keyof typeof CODES;

/** The error to throw. Some texts are the protocol's own: clients look for them. */
export function refusal(type: RefusalType, message: string, cause?: unknown): LakeError {
  return new LakeError(CODES[type], message, {
    context: { type },
    ...(cause === undefined ? {} : { cause }),
  });
}

/** The name under which a failure was refused; null for one that has none. */
export function refusalType(thrown: LakeError): RefusalType | null {
  return TYPES.find((type) => type === thrown.context.type) ?? null;
}

const TYPES = Object.keys(CODES) as readonly RefusalType[]; // parse: the keys of CODES

export function noSuchTable(name: TableName): LakeError {
  return refusal("NoSuchTableException", `Table does not exist: ${name}`);
}

export function noSuchView(name: TableName): LakeError {
  return refusal("NoSuchViewException", `View does not exist: ${name}`);
}

export function noSuchNamespace(namespace: string): LakeError {
  return refusal("NoSuchNamespaceException", `Namespace does not exist: ${namespace}`);
}
