/** Sockets that a process was handed; apart from the rest because `node:net` is costly to load. */

import { connect, type NetConnectOpts, type Socket } from "node:net";

/** A stream over a connected socket that this process already holds. */
export function socketOf(fd: number): Socket {
  // Bun takes over a descriptor here: its documentation of `socket-fd`.
  const options = { fd } as unknown as NetConnectOpts; // parse: the types lack this form
  return connect(options);
}
