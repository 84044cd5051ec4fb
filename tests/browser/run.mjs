// Runs one scenario; what it returns is printed as JSON.
import assert from "node:assert/strict";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { chromium } from "playwright-core";

const args = JSON.parse(process.env.ARGS ?? "{}");
const name = process.argv[2];
const scenario = (await import(`./scenarios/${name}.mjs`)).default;
const browser = await chromium.connect(process.env.BROWSER);

// What no page may do, found in whatever context it did it.
const faults = [];
// Every request that a browser made: where, from where, with what.
const requests = [];

/** A browser of one's own: cookies, storage and history are shared with nobody. */
async function visitor(options = {}) {
  const context = await browser.newContext({ viewport: { width: 1024, height: 760 }, ...options });
  context.setDefaultTimeout(20_000);
  await context.addInitScript(() => {
    addEventListener("securitypolicyviolation", (event) => {
      console.error(`policy: ${event.violatedDirective} ${event.blockedURI}`);
    });
  });
  context.on("console", (message) => {
    // A status of 400 and more is logged as well: which are expected is for the scenario to say.
    const status = message.text().startsWith("Failed to load resource");
    if (["error", "warning"].includes(message.type()) && !status) faults.push(message.text());
  });
  context.on("weberror", (error) => faults.push(String(error.error())));
  context.on("request", (request) => {
    requests.push({ method: request.method(), url: request.url(), headers: request.headers() });
  });
  context.on("response", (response) => {
    if (response.url().includes("/assets/") && response.status() !== 200) faults.push(`${response.status()} ${response.url()}`);
  });
  return context;
}

/** Pictures of a page, for people to look at: only where SHOTS says where. */
async function shots(page, label) {
  if (!process.env.SHOTS) return;
  await mkdir(process.env.SHOTS, { recursive: true });
  const before = page.viewportSize();
  for (const [width, size] of [["wide", { width: 1024, height: 760 }], ["narrow", { width: 360, height: 740 }]]) {
    for (const colorScheme of ["light", "dark"]) {
      await page.setViewportSize(size);
      await page.emulateMedia({ colorScheme });
      await page.screenshot({ path: join(process.env.SHOTS, `${label}-${width}-${colorScheme}.png`), fullPage: true });
    }
  }
  await page.setViewportSize(before);
  await page.emulateMedia({ colorScheme: null });
}

/** What a person with a narrow screen or a screen reader trips over, in this page as it stands. */
async function check(page) {
  const tripping = await page.evaluate(() => {
    const found = [];
    if (document.documentElement.lang !== "en") found.push("no language");
    if (document.querySelectorAll("h1").length !== 1) found.push("not one h1");
    if (!document.title.endsWith("· Tollbook")) found.push(`title ${document.title}`);
    for (const field of document.querySelectorAll("input:not([type=hidden]), textarea, select")) {
      if (field.labels.length === 0) found.push(`no label: ${field.name}`);
    }
    for (const button of document.querySelectorAll("button")) {
      if (!(button.getAttribute("aria-label") ?? button.textContent).trim()) found.push("a button without a name");
    }
    for (const image of document.images) if (!image.hasAttribute("alt")) found.push(`no alt: ${image.src}`);
    const ids = [...document.querySelectorAll("[id]")].map((element) => element.id);
    if (new Set(ids).size !== ids.length) found.push("an id twice");
    // An empty style is what taking a picture leaves behind.
    const inline = document.querySelector('[style]:not([style=""]), style, script:not([src])');
    if (inline) found.push(`inline: ${inline.outerHTML.slice(0, 100)}`);
    return found;
  });
  const before = page.viewportSize();
  await page.setViewportSize({ width: 360, height: 740 });
  const wide = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
  if (wide > 0) tripping.push(`${wide} px too wide at 360`);
  // What a thumb has to hit (WCAG 2.2, success criterion 2.5.5).
  const small = await page.evaluate(() => [...document.querySelectorAll("button, .button, summary, nav a, select, input[type=text]")]
    .filter((element) => element.checkVisibility() && element.getBoundingClientRect().height < 44)
    .map((element) => `${element.textContent.trim() || element.name}: ${element.getBoundingClientRect().height} px`));
  tripping.push(...small);
  await page.setViewportSize(before);
  assert.deepEqual(tripping, [], page.url());
}

try {
  const result = (await scenario({ args, visitor, shots, check, requests, faults })) ?? {};
  assert.deepEqual(faults, [], "a page did what none may do");
  console.log(JSON.stringify({ ...result, requests }));
} finally {
  await browser.close();
}
