// A person signs in by a link that bots have opened before, looks around, and signs out.
import assert from "node:assert/strict";
import { forgets, heading, look, refusedLink, signIn, submit } from "./steps.mjs";

export default async ({ args: { url, link, name, workspace }, visitor, shots, check }) => {
  const secret = link.split("#")[1];
  const bot = await visitor({ javaScriptEnabled: false });
  for (let time = 0; time < 3; time += 1) {
    assert.equal((await bot.request.get(link)).status(), 200);
    assert.equal((await bot.request.head(link)).status(), 200);
  }
  const opened = await bot.newPage();
  await opened.goto(link);
  await bot.close();

  const context = await visitor();
  const page = await context.newPage();
  await page.goto(link);
  assert.equal(page.url(), link.split("#")[0], "the address bar is cleared");
  await forgets(page, secret);
  await check(page);
  await shots(page, "link");
  const before = await context.cookies();
  await submit(page, "Continue");
  assert.match(await page.locator("main").textContent(), new RegExp(name));
  await check(page);
  await shots(page, "offer-sign-in");
  await submit(page, "Sign in");

  assert.equal(page.url(), `${url}/`);
  const home = await page.locator("main").textContent();
  assert.ok(home.includes(name) && home.includes(workspace) && home.includes("owner"), home);
  await check(page);
  await shots(page, "home");
  await forgets(page, secret);
  const cookies = await context.cookies();

  // The REST interface takes no cookie.
  const rest = await page.evaluate(async () => (await fetch("/v1/workspaces")).status);
  assert.equal(rest, 401);

  // It was good once.
  const late = await (await visitor()).newPage();
  await look(late, link);
  await refusedLink(late);
  await shots(late, "link-refused");
  await check(late);

  await page.goto(`${url}/sign-ins`);
  await submit(page, "Sign out here");
  assert.equal(page.url(), `${url}/sign-in?signed-out`);
  assert.match(await page.locator(".note").textContent(), /signed out/);
  // The way back shows nothing of what was there.
  for (let time = 0; time < 2; time += 1) {
    await page.goBack();
    await page.waitForURL(`${url}/sign-in*`);
    assert.equal(await heading(page), "Sign in");
    assert.ok(!(await page.content()).includes(name));
  }
  return { before, cookies, after: await context.cookies() };
};
