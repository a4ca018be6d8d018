/** Encrypted connections to servers that require them: what is checked of their certificate, and what is said. */

import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { chmodSync, readFileSync } from "node:fs";
import { Connection, type Target } from "../../storage/sources/mysql/connection.ts";
import { certificates } from "../support/certificates.ts";
import { mysqlServers } from "../support/mysql.ts";
import { tempFolder } from "../support/temp-folder.ts";

setDefaultTimeout(180_000);

// A server that is given has a certificate of its own.
const servers = mysqlServers().filter(({ isOwn }) => isOwn);

describe.each(servers.map((choice) => [choice.name, choice] as const))("%s", (_, choice) => {
  test("is logged in to as far as its certificate is what is asked for", async () => {
    await using folder = await tempFolder();
    const { path } = folder;
    // Whoever the server runs as has to be able to read them.
    chmodSync(path, 0o755);
    certificates(path, "right");
    certificates(path, "wrong");
    await using server = await choice.start({
      "ssl-ca": `${path}/right-ca.pem`,
      "ssl-cert": `${path}/right.pem`,
      "ssl-key": `${path}/right.key`,
      "require-secure-transport": "ON",
    });
    const said = async (
      tls: Target["tls"],
      authority: string | null,
      host = "127.0.0.1",
    ): Promise<string> => {
      const authorities =
        authority === null ? null : readFileSync(`${path}/${authority}-ca.pem`, "utf8");
      try {
        const open = await Connection.open({ ...server.target, tls, authorities, host });
        const [row] = await open.rows("show status like 'Ssl_cipher'", "ask");
        open.destroy();
        return row?.[1] ? "encrypted" : "plain";
      } catch (thrown) {
        return String(thrown);
      }
    };
    expect(await said("prefer", null)).toBe("encrypted");
    expect(await said("require", null)).toBe("encrypted");
    expect(await said("verify-ca", "right")).toBe("encrypted");
    expect(await said("verify-full", "right")).toBe("encrypted");
    expect(await said("verify-ca", "right", "localhost")).toBe("encrypted");
    expect(await said("verify-full", "right", "localhost")).toContain("localhost");
    expect(await said("verify-ca", "wrong")).toContain("certificate");
    expect(await said("verify-full", null)).toContain("certificate");
    // MariaDB 10.11 says no more than that one may not.
    expect(await said("disable", null)).toMatch(/insecure|Access denied/);
  });
});
