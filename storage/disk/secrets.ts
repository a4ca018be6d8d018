/** Secrets of a project: stored below .tarn for their owner alone, in files of others, or printed by a program. */

import {
  chmodSync,
  closeSync,
  constants,
  fstatSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  statSync,
  unlinkSync,
  writeFileSync,
} from "node:fs";
import { isAbsolute, join } from "node:path";
import { ioError, LakeError, systemCode } from "../../core/base/errors.ts";
import { compareCodePoints } from "../../core/base/order.ts";
import { formatDuration } from "../../core/base/quantity.ts";
import { type SecretConfig, secretNameFault } from "../../core/config/secret.ts";

export interface SecretRequest {
  /** Absolute folder of the project. */
  readonly root: string;
  readonly declared: ReadonlyMap<string, SecretConfig>;
  readonly name: string;
}

/** Bytes of a secret. */
const SECRET_BYTES_MAX = 64 * 1024;
const FOLDER = join(".tarn", "secrets");
/** Permission bits of everybody but the owner. */
const OTHERS = 0o077;

/** The value of a secret, read anew: as tarn.yaml declares it, or as it was stored. Throws `config`. */
export async function secretOf({ root, declared, name }: SecretRequest): Promise<string> {
  const config = declared.get(name);
  if (config === undefined) return stored(root, name);
  if (config.exec !== null) return await printed(root, name, config.exec, config.timeoutMs);
  const { file } = config;
  if (file === null) throw absent(name);
  return ownerOnly(name, isAbsolute(file) ? file : join(root, file));
}

/** Names that are stored, sorted. */
export function storedSecrets(root: string): readonly string[] {
  try {
    const names = readdirSync(join(root, FOLDER));
    return names.filter((name) => secretNameFault(name) === null).sort(compareCodePoints);
  } catch (thrown) {
    if (systemCode(thrown) === "ENOENT") return [];
    throw ioError(thrown, "read", join(root, FOLDER));
  }
}

/** Changes when a secret is stored again; empty for one that is not stored. */
export function storedStamp(root: string, name: string): string {
  const found = statSync(pathOf(root, name), { bigint: true, throwIfNoEntry: false });
  return found === undefined ? "" : `${found.ino} ${found.mtimeNs} ${found.ctimeNs}`;
}

/** Whole and synced under its name, or not at all. Throws `usage` for a value that is none. */
export function storeSecret(root: string, name: string, value: string): void {
  refuseName(name);
  if (value === "") throw new LakeError("usage", "a secret has at least one character");
  if (Buffer.byteLength(value) > SECRET_BYTES_MAX) {
    throw new LakeError("usage", `a secret has at most ${SECRET_BYTES_MAX} bytes`);
  }
  const path = pathOf(root, name);
  const staged = join(root, FOLDER, `.${name}.${process.pid}`);
  try {
    mkdirSync(join(root, FOLDER), { recursive: true });
    chmodSync(join(root, FOLDER), 0o700);
    // Whatever the project's own list says: git takes none of them along.
    writeFileSync(join(root, FOLDER, ".gitignore"), "*\n");
    writeSynced(staged, value);
    renameSync(staged, path);
    syncFolder(join(root, FOLDER));
  } catch (thrown) {
    throw ioError(thrown, "write", path);
  }
}

/** False when none of this name was stored. */
export function removeSecret(root: string, name: string): boolean {
  refuseName(name);
  try {
    unlinkSync(pathOf(root, name));
    return true;
  } catch (thrown) {
    if (systemCode(thrown) === "ENOENT") return false;
    throw ioError(thrown, "remove", pathOf(root, name));
  }
}

/** A value as it is typed, piped or printed: the line end that closes it is no part of it. */
export function withoutLineEnd(text: string): string {
  return text.replace(/\r?\n$/, "");
}

function stored(root: string, name: string): string {
  if (statSync(pathOf(root, name), { throwIfNoEntry: false }) === undefined) throw absent(name);
  return ownerOnly(name, pathOf(root, name));
}

/** Looked at through the open file: what is checked is what is read. */
function ownerOnly(name: string, path: string): string {
  let file: number;
  try {
    file = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  } catch (thrown) {
    const { message, hint } = ioError(thrown, "read", path);
    throw broken(name, message, hint ?? `tarn secret set ${name}`);
  }
  try {
    const found = fstatSync(file);
    if (!found.isFile()) throw broken(name, `${path} is no file`, "name a file");
    if ((found.mode & OTHERS) !== 0) {
      throw broken(name, `others than its owner may use ${path}`, `chmod 600 ${path}`);
    }
    if (found.size > SECRET_BYTES_MAX) {
      throw broken(name, `${path} has more than ${SECRET_BYTES_MAX} bytes`, "is it another file?");
    }
    return valued(name, readFileSync(file, "utf8"));
  } finally {
    closeSync(file);
  }
}

/** What a program prints; what it says otherwise is not told, for it may hold the secret. */
async function printed(
  root: string,
  name: string,
  command: readonly string[],
  timeoutMs: number,
): Promise<string> {
  const byHand = `run it by hand in ${root}: ${command[0] ?? ""} …`;
  const child = started(root, name, command);
  const over = AbortSignal.timeout(timeoutMs);
  const end = (): void => child.kill("SIGKILL");
  over.addEventListener("abort", end, { once: true });
  try {
    const bytes: Uint8Array[] = [];
    let size = 0;
    for await (const piece of child.stdout) {
      size += piece.length;
      if (size > SECRET_BYTES_MAX) {
        throw broken(name, `its program prints more than ${SECRET_BYTES_MAX} bytes`, byHand);
      }
      bytes.push(piece);
      if (over.aborted) break;
    }
    const code = await child.exited;
    if (over.aborted) {
      const limit = formatDuration(timeoutMs);
      throw broken(name, `its program took longer than ${limit}`, `${byHand}; or set its timeout`);
    }
    if (code !== 0) throw broken(name, `its program ended with ${code}`, byHand);
    return valued(name, Buffer.concat(bytes).toString("utf8"));
  } finally {
    over.removeEventListener("abort", end);
    end();
  }
}

function started(root: string, name: string, command: readonly string[]) {
  try {
    return Bun.spawn([...command], {
      cwd: root,
      stdin: "ignore",
      stdout: "pipe",
      stderr: "ignore",
    });
  } catch (thrown) {
    const why = systemCode(thrown) === "ENOENT" ? "is not there" : "cannot be started";
    throw broken(name, `the program ${command[0] ?? ""} ${why}`, "name it by its whole path");
  }
}

function valued(name: string, text: string): string {
  const value = withoutLineEnd(text);
  if (value === "") throw broken(name, "it is empty", `tarn secret set ${name}`);
  return value;
}

function absent(name: string): LakeError {
  return new LakeError("config", `there is no secret ${name}`, {
    hint: `tarn secret set ${name}`,
  });
}

function broken(name: string, why: string, hint: string): LakeError {
  return new LakeError("config", `the secret ${name} cannot be had: ${why}`, { hint });
}

function refuseName(name: string): void {
  const fault = secretNameFault(name);
  if (fault !== null)
    throw new LakeError("usage", fault, { hint: "tarn secret set shop_password" });
}

function pathOf(root: string, name: string): string {
  return join(root, FOLDER, name);
}

function writeSynced(path: string, text: string): void {
  const file = openSync(path, "w", 0o600);
  try {
    writeFileSync(file, text);
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
}

function syncFolder(path: string): void {
  const folder = openSync(path, "r");
  try {
    fsyncSync(folder);
  } finally {
    closeSync(folder);
  }
}
