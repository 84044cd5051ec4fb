// What people do on these pages, step by step.
import assert from "node:assert/strict";

export const press = (page, name) => page.getByRole("button", { name, exact: true }).click();
/** Presses a button that sends a form, and waits for the page that comes of it. */
export async function submit(page, name) {
  const button = page.getByRole("button", typeof name === "string" ? { name, exact: true } : { name }).first();
  await Promise.all([page.waitForNavigation(), button.click()]);
}

export const heading = (page) => page.getByRole("heading", { level: 1 }).textContent();

/** Opens a one-time link and looks at what it is for. */
export async function look(page, link) {
  await page.goto(link);
  assert.equal(await heading(page), "A one-time link");
  await submit(page, "Continue");
}

/** Signs in with a link, and arrives at the workspaces. */
export async function signIn(page, link) {
  await look(page, link);
  assert.equal(await heading(page), "Sign in");
  await submit(page, "Sign in");
  assert.equal(await heading(page), "Your workspaces");
}

/** A page that says that a link is not good, in the same words whatever the reason. */
export async function refusedLink(page) {
  assert.equal(await heading(page), "This link is not good");
  assert.match(await page.locator("main").textContent(), /Ask for another one/);
}

/** Nothing that a page can read, or a person sees, of where the browser was has the secret in it. (Chromium itself
 *  remembers what was typed as `userTypedURL`, in memory; no page can change that.) */
export async function forgets(page, secret) {
  const client = await page.context().newCDPSession(page);
  const { entries } = await client.send("Page.getNavigationHistory");
  for (const entry of entries) assert.ok(!`${entry.url} ${entry.title}`.includes(secret), entry.url);
  assert.ok(!(await page.evaluate(() => document.referrer)).includes(secret));
  await client.detach();
}

/** What stands there after the way back to a page that was the answer to a form: none shows it again by itself. */
export async function textAfterGoingBack(page) {
  const before = page.url();
  await page.goBack().catch(() => null);
  for (let tries = 0; page.url() === before && tries < 400; tries += 1) await page.waitForTimeout(50);
  assert.notEqual(page.url(), before, "it went back");
  return page.locator("body").innerText();
}
