/** Reads strace's output: which system call of which thread touched which paths, in order of completion. */

/** System calls that change what a disk holds, or make it last. */
export const CHANGING_CALLS = [
  "write",
  "pwrite64",
  "writev",
  "pwritev",
  "pwritev2",
  "copy_file_range",
  "sendfile",
  "fallocate",
  "ftruncate",
  "truncate",
  "fsync",
  "fdatasync",
  "rename",
  "renameat",
  "renameat2",
  "link",
  "linkat",
  "unlink",
  "unlinkat",
  "mkdir",
  "mkdirat",
  "rmdir",
] as const;

/** One completed system call. */
export interface Call {
  readonly thread: number;
  readonly name: string;
  /** Paths it names, absolute, in order of its arguments; of descriptors as `strace -y` prints them. */
  readonly paths: readonly string[];
  /** The arguments as printed, escapes and all. */
  readonly args: string;
  /** What it returned; -1 for an error. Null when the thread died in it. */
  readonly result: number | null;
  /** Numbers of the lines where it began and ended: one order over all threads. */
  readonly startLine: number;
  readonly endLine: number;
}

/** Puts interrupted lines together again. Feed it every line in order. */
export class TraceReader {
  readonly #open = new Map<number, { text: string; line: number }>();
  #line = 0;

  /** The call that this line completes, or null. */
  feed(text: string): Call | null {
    this.#line += 1;
    const head = /^(\d+)\s+(.*)$/.exec(text);
    if (head?.[1] === undefined || head[2] === undefined) return null;
    const thread = Number(head[1]);
    const body = head[2];
    if (body.startsWith("+++") || body.startsWith("---")) return null;
    if (body.endsWith("<unfinished ...>")) {
      const begun = body.slice(0, -"<unfinished ...>".length);
      this.#open.set(thread, { text: begun, line: this.#line });
      return null;
    }
    const resumed = /^<\.\.\. \w+ resumed>(.*)$/.exec(body);
    if (resumed === null) return toCall(thread, body, this.#line, this.#line);
    const begun = this.#open.get(thread);
    this.#open.delete(thread);
    if (begun === undefined) return null;
    return toCall(thread, begun.text + (resumed[1] ?? ""), begun.line, this.#line);
  }
}

/** All completed calls of a whole log. */
export function readTrace(log: string): Call[] {
  const reader = new TraceReader();
  const calls: Call[] = [];
  for (const line of log.split("\n")) {
    const call = reader.feed(line);
    if (call !== null) calls.push(call);
  }
  return calls;
}

/** True when a call succeeded at changing something below a folder. */
export function changes(call: Call, folder: string): boolean {
  const isChange = CHANGING_CALLS.some((name) => name === call.name);
  const isBelow = call.paths.some((path) => path === folder || path.startsWith(`${folder}/`));
  return isChange && isBelow && call.result !== null && call.result >= 0;
}

function toCall(thread: number, body: string, startLine: number, endLine: number): Call | null {
  const open = body.indexOf("(");
  const close = body.lastIndexOf(") ");
  if (open < 1 || close < open) return null;
  const name = body.slice(0, open);
  const args = body.slice(open + 1, close);
  const result = /^\)\s*=\s*(-?\d+|\?)/.exec(body.slice(close));
  if (result === null) return null;
  return {
    thread,
    name,
    args,
    paths: pathsOf(name, args, body.slice(close)),
    result: result[1] === "?" ? null : Number(result[1]),
    startLine,
    endLine,
  };
}

/** Data of a write is quoted too, so quoted strings count as paths only in calls that take paths. */
const TAKES_PATHS = /^(open|openat|creat|rename|link|unlink|mkdir|rmdir|truncate|symlink)/;

function pathsOf(name: string, args: string, tail: string): string[] {
  const paths: string[] = [];
  if (TAKES_PATHS.test(name)) {
    for (const match of args.matchAll(/"((?:[^"\\]|\\.)*)"/g)) {
      if (match[1]?.startsWith("/")) paths.push(fromEscapes(match[1]));
    }
    const opened = /=\s*\d+<(\/[^>]*)>/.exec(tail)?.[1];
    if (opened !== undefined && paths.length === 0) paths.push(fromEscapes(opened));
    return paths;
  }
  const descriptor = /^\d+<(\/[^>]*)>/.exec(args)?.[1];
  if (descriptor !== undefined) paths.push(fromEscapes(descriptor));
  // copy_file_range(in, off, out, …) and sendfile(out, in, …): the second descriptor.
  const second = /^\d+<[^>]*>,\s*(?:NULL|\[[^\]]*\],?\s*)?,?\s*\d+<(\/[^>]*)>/.exec(args)?.[1];
  if (second !== undefined) paths.push(fromEscapes(second));
  return paths.map((path) => path.replace(/ \(deleted\)$/, ""));
}

/** Octal escapes of strace, as UTF-8. */
function fromEscapes(text: string): string {
  if (!text.includes("\\")) return text;
  const bytes: number[] = [];
  const encoder = new TextEncoder();
  for (let at = 0; at < text.length; at += 1) {
    const octal = /^\\([0-7]{1,3})/.exec(text.slice(at, at + 4))?.[1];
    if (octal !== undefined) {
      bytes.push(Number.parseInt(octal, 8));
      at += octal.length;
    } else if (text[at] === "\\") {
      at += 1;
      bytes.push(...encoder.encode(text[at]));
    } else {
      bytes.push(...encoder.encode(text[at]));
    }
  }
  return new TextDecoder().decode(new Uint8Array(bytes));
}
