/** What a failed system call means to a person, and what to do next. */

import { errorText, LakeError } from "./errors.ts";

const HINTS: Readonly<Record<string, string>> = {
  ENOSPC: "the disk is full: free some space; work goes on by itself once there is room",
  EDQUOT: "the disk quota is used up: free some space or ask for more",
  EROFS: "the disk is mounted read-only: mount it writable, or choose another folder",
  EACCES: "permission denied: run as the owner of the folder, or correct its mode (chmod -R u+rwX)",
  EPERM: "not permitted: run as the owner of the folder and check its attributes (lsattr)",
  EMFILE: "too many open files in this process: raise the limit (ulimit -n 65536) and start again",
  ENFILE: "too many open files on this machine: close other programs or raise fs.file-max",
  EIO: "the disk reported a failure: look at the system log (dmesg), restore from a copy if needed",
  ENOMEM: "the system is out of memory: close other programs and start again",
  EXDEV: "the lake's folder spans two disks: keep it on one",
  ENAMETOOLONG: "the name is too long for this disk: use a shorter one",
  ELOOP: "a symbolic link stands where a file is expected: put the file itself there",
  ENOTDIR: "a file stands where a folder is expected: move it away",
  EISDIR: "a folder stands where a file is expected: move it away",
  ENOENT: "it was moved or removed by another program",
};

/** The system's error code of anything thrown, such as `ENOENT`; empty when it has none. */
export function systemCode(thrown: unknown): string {
  if (typeof thrown !== "object" || thrown === null || !("code" in thrown)) return "";
  return typeof thrown.code === "string" ? thrown.code : "";
}

/** LakeError for a failed system call: `not-found` for ENOENT, else `io`. A LakeError passes unchanged. */
export function ioError(thrown: unknown, doing: string, path: string): LakeError {
  if (thrown instanceof LakeError) return thrown;
  const code = systemCode(thrown);
  const hint = HINTS[code];
  const text = code === "" ? errorText(thrown) : code;
  return new LakeError(code === "ENOENT" ? "not-found" : "io", `cannot ${doing} ${path}: ${text}`, {
    ...(hint === undefined ? {} : { hint }),
    context: { path, system: code === "" ? "unknown" : code },
    cause: thrown,
  });
}

/** Runs a system call and words its failure. */
export async function worded<T>(doing: string, path: string, call: Promise<T>): Promise<T> {
  try {
    return await call;
  } catch (thrown) {
    throw ioError(thrown, doing, path);
  }
}
