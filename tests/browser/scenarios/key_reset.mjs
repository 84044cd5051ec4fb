// A key that an admin reset: its person, signed in, sees the next secret, once. Nobody else does.
import assert from "node:assert/strict";
import { forgets, heading, look, press, refusedLink, signIn, submit, textAfterGoingBack } from "./steps.mjs";

export default async ({ args: { url, link, own, label }, visitor, check, shots }) => {
  const context = await visitor();
  await context.grantPermissions(["clipboard-read", "clipboard-write"], { origin: url });
  const page = await context.newPage();
  await look(page, link);
  assert.equal(await heading(page), "Sign in first");
  const told = await page.locator("main").textContent();
  assert.match(told, /tollbook user link NAME/);
  assert.ok(!told.includes(label), "whose key it is isn't said");
  await check(page);
  await shots(page, "sign-in-first");
  await page.getByRole("link", { name: "Open", exact: true }).click();
  await page.waitForURL(`${url}/sign-in`);
  await signIn(page, own);
  await look(page, link);
  assert.equal(await heading(page), "A new API key");
  assert.ok((await page.locator("main").textContent()).includes(label));
  await check(page);
  await shots(page, "offer-key");
  await submit(page, "Show the new key");
  assert.equal(await heading(page), "Your new key");
  const key = (await page.locator("#secret-text").textContent()).trim();
  await check(page);
  await page.locator("#secret-text").evaluate((element) => { element.textContent = "tbk_key_" + "x".repeat(61); });
  await shots(page, "key");
  await page.locator("#secret-text").evaluate((element, key) => { element.textContent = key; }, key);
  await press(page, "Copy");
  await page.getByText("Copied.").waitFor();
  assert.equal(await page.evaluate(() => navigator.clipboard.readText()), key);
  await forgets(page, key);

  // Away and back, or with the link again: it isn't there any more.
  await page.goto(`${url}/nowhere`);
  assert.ok(!(await textAfterGoingBack(page)).includes(key));
  await look(page, link);
  await refusedLink(page);
  return { key };
};
