/**
 * HTTP for those who push and for other engines: routes that sources enter and the Iceberg REST catalog, on a loopback
 * address unless tarn.yaml names another.
 */

import { chmodSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { LakeError, systemCode } from "../../core/base/errors.ts";
import { stringifyJson } from "../../core/base/json.ts";
import type { HttpAnswer, HttpHandler, HttpRoutes } from "../../core/ingest/source-kind.ts";

const TOKEN_FILE = "http.token";
const OWNER_ONLY = 0o600;
/** Sources say less. */
const BODY_BYTES_MAX = 1024 * 1024 * 1024;
const IDLE_S = 255;
const ICEBERG = "/iceberg";
const INGEST = /^\/v1\/ingest\/([^/]+)$/;

/** Answers what is below `base`, to whoever has the token. */
export type Mounted = (
  request: Request,
  at: { readonly token: string; readonly base: string },
) => Promise<Response>;

export class HttpServer implements HttpRoutes, Disposable {
  readonly #handlers = new Map<string, HttpHandler>();
  readonly #token: string;
  #iceberg: Mounted | null = null;
  readonly #server: ReturnType<typeof Bun.serve>;

  /** Throws `config` for an address that is none or is taken. */
  static listen(warehouse: string, address: string, newToken: () => string): HttpServer {
    const found = /^(?:\[([^\]]+)\]|([^:]+)):(\d{1,5})$/.exec(address);
    if (found === null) {
      throw new LakeError("config", `"${address}" is no address`, { hint: "127.0.0.1:8276" });
    }
    const [, six, four, port] = found;
    const token = tokenOf(warehouse, newToken);
    return new HttpServer(six ?? four ?? "", Number(port), token);
  }

  private constructor(hostname: string, port: number, token: string) {
    this.#token = token;
    try {
      this.#server = Bun.serve({
        hostname,
        port,
        idleTimeout: IDLE_S,
        maxRequestBodySize: BODY_BYTES_MAX,
        development: false,
        fetch: (request) => this.#answer(request),
      });
    } catch (thrown) {
      throw new LakeError("config", `nothing can listen on ${hostname}:${port}`, {
        hint: "another program may: set serve: { http: 127.0.0.1:PORT } in tarn.yaml",
        cause: thrown,
      });
    }
  }

  get address(): string {
    return `${this.#server.hostname}:${this.#server.port}`;
  }

  enter(source: string, handler: HttpHandler): () => void {
    this.#handlers.set(source, handler);
    return () => {
      if (this.#handlers.get(source) === handler) this.#handlers.delete(source);
    };
  }

  /** From now on the Iceberg REST catalog is answered. */
  mountIceberg(iceberg: Mounted): void {
    this.#iceberg = iceberg;
  }

  [Symbol.dispose](): void {
    void this.#server.stop(true);
  }

  async #answer(request: Request): Promise<Response> {
    const { pathname } = new URL(request.url);
    if (pathname === "/healthz") return new Response("ok\n");
    if (this.#iceberg !== null && pathname.startsWith(`${ICEBERG}/`)) {
      return await this.#iceberg(request, { token: this.#token, base: ICEBERG });
    }
    const source = INGEST.exec(pathname)?.[1];
    const handler = source === undefined ? undefined : this.#handlers.get(source);
    if (handler === undefined) return respond(failed(404, `there is no ${pathname}`));
    if (request.method !== "POST") return respond(failed(405, "POST bodies here"));
    const headers = new Map([...request.headers].map(([name, value]) => [name, value] as const));
    const body = new Uint8Array(await request.arrayBuffer());
    return respond(await handler({ headers, body }, { token: this.#token }));
  }
}

function failed(status: number, error: string): HttpAnswer {
  return { status, headers: {}, body: { error } };
}

function respond({ status, headers, body }: HttpAnswer): Response {
  return new Response(`${stringifyJson(body)}\n`, {
    status,
    headers: { "content-type": "application/json", ...headers },
  });
}

/** The lake's own token: made once, for its owner alone. */
function tokenOf(warehouse: string, newToken: () => string): string {
  const path = join(warehouse, TOKEN_FILE);
  try {
    return readFileSync(path, "utf8").trim();
  } catch (thrown) {
    if (systemCode(thrown) !== "ENOENT") throw thrown;
  }
  const token = newToken();
  writeFileSync(path, `${token}\n`, { mode: OWNER_ONLY });
  chmodSync(path, OWNER_ONLY);
  return token;
}
