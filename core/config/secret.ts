/** References to secrets in settings: `${secret:NAME}` stands there until what reads it needs the value. */

import { below, type Cursor, isRecord, report } from "./shape.ts";

/** The value of a secret. Throws `config` where there is none, or it cannot be had. */
export type SecretOf = (name: string) => Promise<string>;

/** Where a secret of tarn.yaml comes from: a file, or what a command prints. */
export interface SecretConfig {
  /** From / on, or from the project's folder on. */
  readonly file: string | null;
  /** A program and its arguments; no shell reads them. */
  readonly exec: readonly string[] | null;
  /** How long the command may take. */
  readonly timeoutMs: number;
}

/** How a reference begins. */
export const SECRET_MARK = "${secret:";

const REFERENCE = /\$\{secret:([^}]*)\}/g;
const NAME = /^[A-Za-z_][A-Za-z0-9_.-]*$/;
const NAME_CHARS_MAX = 128;
/** What is shown in place of a value. */
const HIDDEN = "(secret)";
/** Shorter values stand in other words too: they are not looked for in texts. */
const TOLD_CHARS_MIN = 4;

/** What is wrong with the name of a secret, or null. */
export function secretNameFault(name: string): string | null {
  if (NAME.test(name) && name.length <= NAME_CHARS_MAX) return null;
  return `"${name}" cannot name a secret: use letters, digits, _ . and -`;
}

/** Secrets that plain data refers to, each once. */
export function secretNames(value: unknown): readonly string[] {
  const names = textsOf(value).flatMap((text) =>
    [...text.matchAll(REFERENCE)].map(([, name]) => name ?? ""),
  );
  return [...new Set(names)];
}

/** Plain data with the values in place of its references. */
export async function withSecrets(value: unknown, secretOf: SecretOf): Promise<unknown> {
  const names = secretNames(value);
  if (names.length === 0) return value;
  const valueByName = new Map<string, string>();
  for (const name of names) valueByName.set(name, await secretOf(name));
  const fill = (text: string): string =>
    text.replace(REFERENCE, (_whole, name: string) => valueByName.get(name) ?? "");
  return mapTexts(value, fill);
}

/**
 * Settings as they may be shown: without what stands under secret keys, of which `registry.password` is one in another.
 * A reference says only a name.
 */
export function hidden(settings: unknown, keys: readonly string[]): unknown {
  if (!isRecord(settings)) return settings;
  const shown = Object.entries(settings).map(([key, value]) => {
    const isHidden = keys.includes(key) && value !== null && !isReference(value);
    return [key, isHidden ? HIDDEN : hidden(value, keysIn(keys, key))] as const;
  });
  return Object.fromEntries(shown);
}

/** Takes the values under secret keys, and the passwords in addresses there, out of texts that others write. */
export function redactor(settings: unknown, keys: readonly string[]): (text: string) => string {
  if (!isRecord(settings)) return (text) => text;
  const under = keys.flatMap((key) => textsOf(valueAt(settings, key.split("."))));
  const values = [...new Set(under.flatMap(partsOf))]
    .filter((value) => value.length >= TOLD_CHARS_MIN)
    .sort((a, b) => b.length - a.length);
  return (text) => values.reduce((told, value) => told.replaceAll(value, HIDDEN), text);
}

/** Reports references that stand where no secret is expected: their values could be shown. `keysOf` a kind: where. */
export function refuseMisplaced(
  data: unknown,
  keysOf: (kind: string) => readonly string[],
  lookupKeys: readonly string[],
  cursor: Cursor,
): void {
  if (!isRecord(data)) return;
  for (const [key, value] of Object.entries(data)) {
    if (key === "lookups" && isRecord(value)) {
      for (const [name, entry] of Object.entries(value)) {
        refuseAll(entry, below(below(cursor, key), name), lookupKeys);
      }
    } else if (key !== "sources") refuseAll(value, below(cursor, key), []);
  }
  const { sources } = data;
  if (!isRecord(sources)) return;
  for (const [name, entry] of Object.entries(sources)) {
    const kind = isRecord(entry) && typeof entry.kind === "string" ? entry.kind : "";
    refuseAll(entry, below(below(cursor, "sources"), name), keysOf(kind));
  }
}

function refuseAll(value: unknown, cursor: Cursor, allowed: readonly string[]): void {
  if (typeof value === "string") {
    if (!value.includes(SECRET_MARK)) return;
    const hint = `write a variable, \${NAME}, where the value is no secret`;
    report(cursor, "a secret cannot stand here: it could be shown", hint);
  } else if (Array.isArray(value)) {
    const items: readonly unknown[] = value;
    for (const [index, item] of items.entries()) refuseAll(item, below(cursor, index), []);
  } else if (isRecord(value)) {
    for (const [key, item] of Object.entries(value)) {
      if (!allowed.includes(key)) refuseAll(item, below(cursor, key), keysIn(allowed, key));
    }
  }
}

/** Those of the keys that are in the value of this one. */
function keysIn(keys: readonly string[], key: string): readonly string[] {
  const before = `${key}.`;
  return keys.filter((one) => one.startsWith(before)).map((one) => one.slice(before.length));
}

function valueAt(value: unknown, path: readonly string[]): unknown {
  const [key, ...rest] = path;
  if (key === undefined) return value;
  return isRecord(value) ? valueAt(value[key], rest) : undefined;
}

function isReference(value: unknown): boolean {
  return typeof value === "string" && value.replace(REFERENCE, "") === "" && value !== "";
}

/** The text itself; its password of an address, as it is written and as it is meant, and of `user:password`. */
function partsOf(text: string): readonly string[] {
  if (!text.includes("://")) return [text, ...text.split(":").slice(1)];
  const written = /:\/\/[^/@]*?:([^@/]*)@/.exec(text)?.[1];
  return written === undefined ? [text] : [text, written, decoded(written)];
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

function textsOf(value: unknown): readonly string[] {
  if (typeof value === "string") return [value];
  if (Array.isArray(value)) return value.flatMap(textsOf);
  return isRecord(value) ? Object.values(value).flatMap(textsOf) : [];
}

function mapTexts(value: unknown, fill: (text: string) => string): unknown {
  if (typeof value === "string") return fill(value);
  if (Array.isArray(value)) return value.map((item) => mapTexts(item, fill));
  if (!isRecord(value)) return value;
  const filled = Object.entries(value).map(([key, item]) => [key, mapTexts(item, fill)]);
  return Object.fromEntries(filled);
}
