// Bundles the page into built/: a classic script, as modules do not load from disk.
import { build } from "esbuild";
import { cp, mkdir, readFile, readdir, writeFile } from "node:fs/promises";
import { existsSync } from "node:fs";

await mkdir("built", { recursive: true });
const result = await build({
  entryPoints: { explorer: "src/main.tsx" },
  bundle: true,
  format: "iife",
  target: ["chrome100", "firefox110", "safari16.4"],
  jsx: "automatic",
  jsxImportSource: "preact",
  minify: true,
  charset: "utf8",
  legalComments: "none",
  metafile: true,
  outdir: "built",
  logLevel: "warning",
});
await cp("src/index.html", "built/index.html");

// licences of the libraries that are in the bundle
const names = new Set();
for (const input of Object.keys(result.metafile.inputs)) {
  const found = input.match(/node_modules\/((?:@[^/]+\/)?[^/]+)/);
  if (found) names.add(found[1]);
}
let text = "Libraries in explorer.js\n";
for (const name of [...names].sort()) {
  const folder = `node_modules/${name}`;
  const { version, license } = JSON.parse(await readFile(`${folder}/package.json`, "utf8"));
  text += `\n${"=".repeat(72)}\n${name} ${version} (${license})\n\n`;
  const file = (await readdir(folder)).find((entry) => /^licen[cs]e/i.test(entry));
  if (file && existsSync(`${folder}/${file}`)) text += await readFile(`${folder}/${file}`, "utf8");
}
await writeFile("built/licences.txt", text);
