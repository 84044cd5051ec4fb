// The frame, on the page that everybody can see.
import assert from "node:assert/strict";

export default async ({ args: { url }, visitor, shots, check, faults }) => {
  const context = await visitor();
  const page = await context.newPage();
  const answer = await page.goto(`${url}/`);
  assert.equal(page.url(), `${url}/sign-in`, "nobody is signed in");
  const headers = answer.headers();
  await check(page);
  await shots(page, "sign-in");

  // Everything is ours, and what is ours may be kept for good.
  const assets = await page.evaluate(() => performance.getEntriesByType("resource").map((entry) => entry.name));
  assert.ok(assets.length >= 3 && assets.every((asset) => asset.startsWith(`${url}/assets/`)), String(assets));
  const asset = await context.request.get(assets[0]);

  // The keyboard reaches what is first on the page: the way past the frame.
  await page.keyboard.press("Tab");
  assert.equal(await page.evaluate(() => document.activeElement.className), "skip");

  // What a script does that somebody got into a page: nothing; and the browser says so, as it would of a page of ours.
  const violation = page.waitForEvent("console", (message) => message.text().startsWith("policy: script-src"));
  await page.evaluate(() => {
    const script = document.createElement("script");
    script.textContent = "window.ran = true";
    document.body.append(script);
  });
  await violation;
  assert.equal(await page.evaluate(() => window.ran), undefined);
  faults.length = 0;

  const missing = await page.goto(`${url}/nowhere`);
  assert.equal(missing.status(), 404);
  await check(page);
  await shots(page, "not-found");
  return { headers, asset: asset.headers(), cookies: await context.cookies() };
};
