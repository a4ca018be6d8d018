/** Certificates for servers of tests, made by openssl. */

import { execFileSync } from "node:child_process";
import { chmodSync, writeFileSync } from "node:fs";

/** An authority (`NAME-ca.pem`), and a certificate of it (`NAME.pem`, `NAME.key`) for 127.0.0.1 alone. */
export function certificates(folder: string, name: string): void {
  const openssl = (...words: readonly string[]) =>
    execFileSync("openssl", words, { cwd: folder, stdio: "ignore" });
  const key = ["-newkey", "rsa:2048", "-nodes", "-days", "2"];
  const own = ["-keyout", `${name}-ca.key`, "-out", `${name}-ca.pem`, "-subj", `/CN=${name}`];
  openssl("req", "-x509", ...key, ...own);
  const asked = ["-keyout", `${name}.key`, "-out", `${name}.csr`, "-subj", "/CN=server"];
  openssl("req", "-newkey", "rsa:2048", "-nodes", ...asked);
  writeFileSync(`${folder}/${name}.ext`, "subjectAltName=IP:127.0.0.1\n");
  const signer = ["-CA", `${name}-ca.pem`, "-CAkey", `${name}-ca.key`, "-CAcreateserial"];
  const signed = ["-in", `${name}.csr`, "-out", `${name}.pem`, "-extfile", `${name}.ext`];
  openssl("x509", "-req", "-days", "2", ...signer, ...signed);
  chmodSync(`${folder}/${name}.key`, 0o644);
}
