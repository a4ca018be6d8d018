/** Standard output of a process of its own: everything, in order, also to a reader that is slow or gone. */

import { expect, test } from "bun:test";
import { join } from "node:path";

const OUTLET = join(import.meta.dir, "../../../../cmd/render/streams.ts");
/** More than a pipe holds, in pieces that do not divide it. */
const LINES = 40_000;
const WRITER = `
import { stderr, stdout } from ${JSON.stringify(OUTLET)};
for (let line = 0; line < ${LINES}; line++) stdout.write(\`line \${line} é\\n\`);
stderr.write(\`\${stdout.isTerminal} \${stdout.columns()}\`);
`;

test("more than a pipe holds comes out whole and in order", async () => {
  const writer = Bun.spawn([process.execPath, "-e", WRITER], { stdout: "pipe", stderr: "pipe" });
  const err = await new Response(writer.stderr).text();
  const lines = (await new Response(writer.stdout).text()).split("\n");
  expect([err, lines.pop(), await writer.exited]).toEqual(["false null", "", 0]);
  expect(lines).toEqual(Array.from({ length: LINES }, (_, line) => `line ${line} é`));
});

test("a reader that has gone ends the process quietly", async () => {
  const command = `"$0" -e "$1" | head -n 1; echo "\${PIPESTATUS[0]}"`;
  const shell = Bun.spawn(["bash", "-c", command, process.execPath, WRITER], { stderr: "pipe" });
  const out = await new Response(shell.stdout).text();
  expect(out).toBe("line 0 é\n0\n");
  expect(await new Response(shell.stderr).text()).not.toContain("EPIPE");
});

test("what is no terminal has no columns: a file, and nothing", async () => {
  const command = `"$0" -e "$1" > /dev/null`;
  const shell = Bun.spawn(["sh", "-c", command, process.execPath, WRITER], { stderr: "pipe" });
  expect(await new Response(shell.stderr).text()).toBe("false null");
});
