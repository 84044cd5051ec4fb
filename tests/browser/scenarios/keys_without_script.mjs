// Without JavaScript: the answer to the form may be loaded again, and sends it again; that makes no second key.
import assert from "node:assert/strict";
import { heading, submit } from "./steps.mjs";

export default async ({ args: { url, link }, visitor, check, shots }) => {
  const page = await (await visitor({ javaScriptEnabled: false })).newPage();
  await page.goto(link);
  await page.getByLabel("The link").fill(link);
  await submit(page, "Continue");
  await submit(page, "Sign in");
  await Promise.all([page.waitForNavigation(), page.getByRole("link", { name: /^Make an API key/ }).click()]);
  await page.getByLabel("Where will it be used?").fill("build server");
  await submit(page, "Make the key");
  assert.equal(await heading(page), "Your new key");
  const key = (await page.locator("#secret-text").textContent()).trim();
  for (let time = 0; time < 2; time += 1) {
    await page.reload();
    assert.equal(await heading(page), "This key is made already");
    assert.ok(!(await page.content()).includes(key));
  }
  await check(page);
  await shots(page, "key-shown");
  await page.goto(`${url}/keys`);
  await page.locator("summary", { hasText: "Revoke" }).first().click();
  await submit(page, "Revoke the key build server for good");
  assert.equal(page.url(), `${url}/keys`);
  await page.getByText("Ended: 1").waitFor();
  return { key };
};
