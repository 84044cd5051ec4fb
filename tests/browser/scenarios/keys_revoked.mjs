// A key is revoked where it is listed, after a word of confirmation; what was done is said, and the keyboard stays.
import assert from "node:assert/strict";
import { heading, press, signIn } from "./steps.mjs";

export default async ({ args: { url, link, label }, visitor, check, shots }) => {
  const page = await (await visitor()).newPage();
  await signIn(page, link);
  await page.goto(`${url}/keys`);
  assert.equal(await heading(page), "Your API keys");
  await page.evaluate(() => { window.stayed = true; });
  const summary = page.getByRole("listitem").filter({ hasText: label }).locator("summary");
  for (const [shown, next] of [["Revoke", "Keep it"], ["Keep it", "Revoke"], ["Revoke", "Keep it"]]) {
    assert.ok((await summary.innerText()).startsWith(shown));
    await summary.click();
    assert.ok((await summary.innerText()).startsWith(next));
  }
  await page.getByText("It ends at once").filter({ visible: true }).waitFor();
  await check(page);
  await shots(page, "key-revoking");
  await press(page, `Revoke the key ${label} for good`);
  await page.getByRole("status").filter({ hasText: `The key “${label}” is revoked.` }).waitFor();
  assert.equal(await page.evaluate(() => window.stayed), true, "htmx swapped it in");
  assert.equal(await page.evaluate(() => document.activeElement.id), "keys");
  await page.getByText("Ended: 1").click();
  assert.match(await page.getByRole("listitem").filter({ hasText: label }).textContent(), /revoked/);
  await check(page);
  await shots(page, "key-revoked");
};
