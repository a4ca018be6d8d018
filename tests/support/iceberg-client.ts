/** A lake whose catalog is served over HTTP on a free port, and a client that says what it is answered. */

import http, { type IncomingHttpHeaders } from "node:http";
import { openSession, type Session } from "../../cmd/open.ts";
import { HttpServer } from "../../cmd/serve/http.ts";
import { answerIceberg, openDoor } from "../../cmd/serve/iceberg/routes.ts";
import { isJsonObject, type JsonObject, parseJson, stringifyJson } from "../../core/base/json.ts";

export interface Answered {
  readonly status: number;
  readonly etag: string;
  readonly json: JsonObject;
  /** Of the error's envelope; empty where there is none. */
  readonly type: string;
  readonly message: string;
}

export class ServedLake implements AsyncDisposable {
  readonly session: Session;
  readonly url: string;
  readonly token: string;
  readonly #server: HttpServer;
  readonly #owns: boolean;

  static async open(folder: string): Promise<ServedLake> {
    const session = await openSession({ folder, args: {} }, { engine: "test" });
    return new ServedLake(session);
  }

  private constructor(session: Session, owns = true) {
    this.session = session;
    this.#owns = owns;
    this.token = "the-token";
    this.#server = HttpServer.listen(session.warehouse, "127.0.0.1:0", () => this.token);
    const door = openDoor(session, () => undefined);
    this.#server.mountIceberg(async (request, at) => answerIceberg(await door, request, at));
    this.url = `http://${this.#server.address}/iceberg/v1`;
  }

  /** The same lake served anew, with nothing in memory. */
  async again(): Promise<ServedLake> {
    return new ServedLake(this.session, false);
  }

  async ask(method: string, path: string, body?: JsonObject | string): Promise<Answered> {
    return await this.askWith({}, method, path, body);
  }

  async askWith(
    headers: Readonly<Record<string, string>>,
    method: string,
    path: string,
    body?: JsonObject | string,
  ): Promise<Answered> {
    const said = body === undefined || typeof body === "string" ? body : stringifyJson(body);
    const all = { authorization: `Bearer ${this.token}`, ...headers };
    const {
      status,
      headers: answered,
      text,
    } = await exchange(method, `${this.url}/${path}`, all, said);
    const parsed = text === "" ? {} : parseJson(text);
    const json = isJsonObject(parsed) ? parsed : {};
    const error = isJsonObject(json.error) ? json.error : {};
    const [type, message] = [String(error.type ?? ""), String(error.message ?? "")];
    return { status, etag: answered.etag ?? "", json, type, message };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server[Symbol.dispose]();
    if (this.#owns) await this.session[Symbol.asyncDispose]();
  }
}

/** `fetch` is kept from the network in tests. */
function exchange(
  method: string,
  url: string,
  headers: Readonly<Record<string, string>>,
  body = "",
): Promise<{
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly text: string;
}> {
  const length = { "content-length": Buffer.byteLength(body) };
  return new Promise((resolve, reject) => {
    const asked = http.request(url, { method, headers: { ...headers, ...length } }, (answer) => {
      const pieces: Buffer[] = [];
      answer.on("data", (bytes) => pieces.push(bytes));
      answer.on("error", reject);
      answer.on("end", () => {
        const text = Buffer.concat(pieces).toString();
        resolve({ status: answer.statusCode ?? 0, headers: answer.headers, text });
      });
    });
    asked.on("error", reject);
    asked.end(body);
  });
}
