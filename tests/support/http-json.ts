/** JSON asked of a server beside a test: `fetch` is kept from the network there. */

import http from "node:http";

/** The status and what was answered; `body` null sends none. */
export function askJson(
  method: string,
  url: string,
  body: unknown = null,
  type = "application/json",
): Promise<{ readonly status: number; readonly json: unknown }> {
  const text = body === null ? "" : JSON.stringify(body);
  const headers = { "content-type": type, "content-length": Buffer.byteLength(text) };
  return new Promise((resolve, reject) => {
    const asked = http.request(url, { method, headers }, (answer) => {
      const pieces: Buffer[] = [];
      answer.on("data", (bytes) => pieces.push(bytes));
      answer.on("error", reject);
      answer.on("end", () => {
        const said = Buffer.concat(pieces).toString();
        try {
          resolve({ status: answer.statusCode ?? 0, json: said === "" ? null : JSON.parse(said) });
        } catch {
          reject(new Error(`${method} ${url}: ${answer.statusCode} ${said}`));
        }
      });
    });
    asked.on("error", reject);
    asked.end(text);
  });
}
