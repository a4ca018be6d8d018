/** What is not to be seen: a line typed without an echo, or what a pipe brings. */

import { LakeError } from "../../core/base/errors.ts";
import { stderr } from "../render/streams.ts";

/** Bytes that are read at most. */
const INPUT_BYTES_MAX = 1024 * 1024;

/** One line from the terminal, without its end. Throws `usage` when it is broken off. */
export async function askHidden(prompt: string): Promise<string> {
  stderr.write(prompt);
  process.stdin.setRawMode(true);
  try {
    let line = "";
    const decoder = new TextDecoder();
    for await (const piece of Bun.stdin.stream()) {
      for (const character of decoder.decode(piece, { stream: true })) {
        if (character === "\r" || character === "\n") return line;
        if (character === "\u0003" || (character === "\u0004" && line === "")) {
          throw new LakeError("usage", "broken off: nothing was stored");
        }
        if (character === "\u007f" || character === "\b") line = [...line].slice(0, -1).join("");
        else if (character === "\u0015") line = "";
        else line += character;
      }
    }
    return line;
  } finally {
    process.stdin.setRawMode(false);
    stderr.write("\n");
  }
}

/** All that comes on stdin. Throws `usage` for too much of it. */
export async function pipedText(): Promise<string> {
  const pieces: Uint8Array[] = [];
  let size = 0;
  for await (const piece of Bun.stdin.stream()) {
    size += piece.length;
    if (size > INPUT_BYTES_MAX) throw new LakeError("usage", "that is too much to be a secret");
    pieces.push(piece);
  }
  return Buffer.concat(pieces).toString("utf8");
}
