// Starts the machine's own Chromium, headless, with a profile that is deleted again, for as long as standard input
// stays open.
import { execFileSync } from "node:child_process";
import { chromium } from "playwright-core";

const names = ["chromium", "chromium-browser", "google-chrome"];
const found = (name) => {
  try {
    return execFileSync("sh", ["-c", `command -v ${name}`], { encoding: "utf8" }).trim();
  } catch {
    return null;
  }
};
const executablePath = names.map(found).find(Boolean);
if (!executablePath) throw new Error("no Chromium on the PATH: run tools/setup");

const server = await chromium.launchServer({ executablePath, headless: true, host: "127.0.0.1" });
console.log(JSON.stringify({ url: server.wsEndpoint() }));
process.stdin.resume();
process.stdin.on("end", async () => {
  await server.close();
  process.exit(0);
});
