/** Finds the Bun that npm installed, whichever way the package was unpacked, and runs it. */
import { spawn } from "node:child_process";
import { existsSync, readdirSync, statSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const NODE_MAJOR_MIN = 20;
const major = Number(process.versions.node.split(".")[0]);
if (major < NODE_MAJOR_MIN) {
  console.error(`tarn needs Node ${NODE_MAJOR_MIN} or newer to build; this is ${process.version}`);
  process.exit(2);
}

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const scope = join(root, "node_modules", "@oven");
// With install scripts the binary is moved into the `bun` package; without them it stays in its
// platform package and `bun.exe` is a short text that says so.
const REAL_BINARY_BYTES_MIN = 1_000_000;
const places = [
  join(root, "node_modules", "bun", "bin", "bun.exe"),
  ...(existsSync(scope) ? readdirSync(scope).map((name) => join(scope, name, "bin", "bun")) : []),
];
const bun = places.find((p) => existsSync(p) && statSync(p).size > REAL_BINARY_BYTES_MIN);
if (bun === undefined) {
  console.error("Bun is not installed here; run: npm ci");
  process.exit(2);
}
const child = spawn(bun, process.argv.slice(2), { stdio: "inherit", cwd: process.cwd() });
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) process.on(signal, () => child.kill(signal));
child.on("exit", (code, signal) => process.exit(code ?? (signal === "SIGINT" ? 130 : 143)));
