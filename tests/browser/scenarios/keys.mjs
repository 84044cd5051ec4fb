// An API key is made by its page: what was typed stays, the secret is shown once, and no way leads back to it.
import assert from "node:assert/strict";
import { forgets, heading, press, signIn, submit, textAfterGoingBack } from "./steps.mjs";

const follow = (page, name) => Promise.all([page.waitForNavigation(), page.getByRole("link", { name }).click()]);

export default async ({ args: { url, link, workspace, label }, visitor, check, shots }) => {
  const context = await visitor();
  const page = await context.newPage();
  await signIn(page, link);
  await follow(page, `Make an API key in ${workspace}`);
  assert.equal(await heading(page), "Make an API key");
  assert.ok((await page.locator("main").textContent()).includes(workspace));
  await check(page);
  await shots(page, "new-key");

  // Blanks are no label: the same form, with all that was chosen, and the cursor where it is needed.
  await page.getByLabel("Where will it be used?").fill("   ");
  await page.getByLabel("What may it do?").selectOption("member");
  await page.getByLabel("How long is it good?").selectOption("30 days");
  await submit(page, "Make the key");
  assert.equal(await heading(page), "Make an API key");
  const field = page.getByLabel("Where will it be used?");
  assert.equal(await field.getAttribute("aria-invalid"), "true");
  assert.match(await page.locator("#label-fault").textContent(), /1 to 64 characters/);
  assert.ok((await field.getAttribute("aria-describedby")).split(" ").includes("label-fault"));
  assert.equal(await page.evaluate(() => document.activeElement.id), "label");
  assert.equal(await page.getByLabel("What may it do?").inputValue(), "member");
  assert.equal(await page.getByLabel("How long is it good?").inputValue(), "30");
  await check(page);
  await shots(page, "new-key-fault");

  await field.fill(label);
  await submit(page, "Make the key");
  assert.equal(await heading(page), "Your new key");
  const key = (await page.locator("#secret-text").textContent()).trim();
  assert.match(key, /^tbk_key_/);
  assert.ok((await page.locator("pre").textContent()).includes(`tollbook login --with-api-key --server ${url}`));
  await check(page);
  await page.locator("#secret-text").evaluate((element) => { element.textContent = "tbk_key_" + "x".repeat(61); });
  await shots(page, "key");
  assert.equal(page.url(), `${url}/keys`, "the answer has given its place away");
  await forgets(page, key);

  // Loading the answer again shows the keys, and makes no other.
  await page.reload();
  assert.equal(await heading(page), "Your API keys");
  assert.ok(!(await page.content()).includes(key));
  const item = page.getByRole("listitem").filter({ hasText: label });
  assert.equal(await item.count(), 1);
  assert.match(await item.textContent(), /member/);
  assert.ok((await item.textContent()).includes(key.slice(0, 20)));
  await check(page);
  await shots(page, "keys");
  await follow(page, "Sign-ins");
  assert.ok(!(await textAfterGoingBack(page)).includes(key));
  assert.equal(await heading(page), "Your API keys");
  assert.ok(!(await textAfterGoingBack(page)).includes(key));
  assert.equal(await heading(page), "Make an API key", "and not the browser's question whether to send a form again");
  return { key };
};
