/** Errors of any database that is read as a stream: what is missing, what does not fit, what a network says. */

import { type ErrorCode, LakeError } from "../../core/base/errors.ts";

/** Who is spoken to; never the password. */
export interface Place {
  readonly host: string;
  readonly port: number;
  readonly database: string;
  readonly user: string;
}

/** What an answer means: `io` may pass by itself. */
export interface Meaning {
  readonly code: ErrorCode;
  readonly hint: (place: Place) => string;
}

/** A stream that cannot go on without a loss: which part of the log is missing, and what is to be done. */
export function gapError(
  message: string,
  gap: { readonly from: string; readonly to: string | null },
  hint: string,
): LakeError {
  const to = gap.to ?? "unknown";
  return new LakeError("conflict", `${message}; changes from ${gap.from} to ${to} are missing`, {
    hint,
    context: { gapFrom: gap.from, gapTo: to },
    scope: "source",
  });
}

/** A place of the settings or the server that does not fit, without a call that failed. */
export function refusal(code: ErrorCode, message: string, hint: string): LakeError {
  return new LakeError(code, message, { hint, scope: "source" });
}

/** By the system's or the network's own code. */
export const NETWORK_MEANINGS: Readonly<Record<string, Meaning>> = {
  ECONNREFUSED: {
    code: "io",
    hint: ({ host, port }) =>
      `start the server, or correct host and port: nothing listens at ${host}:${port}`,
  },
  ENOTFOUND: { code: "io", hint: ({ host }) => `there is no host ${host}: correct its name` },
  EAI_AGAIN: { code: "io", hint: () => "the name cannot be looked up now: check the network" },
  ETIMEDOUT: { code: "io", hint: () => "check the network and the firewall between" },
  ENOENT: { code: "io", hint: ({ host }) => `there is no socket of a server in ${host}` },
  DEPTH_ZERO_SELF_SIGNED_CERT: {
    code: "config",
    hint: () => "give the file of the authority that signed it: tls_ca",
  },
  SELF_SIGNED_CERT_IN_CHAIN: {
    code: "config",
    hint: () => "give the file of the authority that signed it: tls_ca",
  },
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: {
    code: "config",
    hint: () => "give the file of the authority that signed it: tls_ca",
  },
  ERR_TLS_CERT_ALTNAME_INVALID: {
    code: "config",
    hint: () => "the certificate is for another host: correct host, or use tls: verify-ca",
  },
};
