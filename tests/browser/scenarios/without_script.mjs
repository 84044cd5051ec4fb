// Everything works without JavaScript: the link is pasted, sign-ins are ended by plain forms.
import assert from "node:assert/strict";
import { heading, submit } from "./steps.mjs";

export default async ({ args: { url, links }, visitor, check, shots }) => {
  const pages = [];
  for (const [at, link] of links.entries()) {
    const page = await (await visitor({ javaScriptEnabled: false })).newPage();
    if (at === 0) {
      // Where the link was opened: its page asks for the part that the browser kept to itself.
      await page.goto(link);
      await page.getByLabel("The link").fill(link);
      await submit(page, "Continue");
    } else {
      await page.goto(url);
      await page.getByLabel("The link").fill(link);
      await submit(page, "Open the link");
    }
    await submit(page, "Sign in");
    assert.equal(await heading(page), "Your workspaces");
    pages.push(page);
  }
  const [first, second, third] = pages;
  await Promise.all([first.waitForNavigation(), first.getByRole("link", { name: "Sign-ins" }).click()]);
  assert.equal(await first.getByRole("listitem").count(), 3);
  await submit(first, /^End the sign-in/);
  assert.equal(first.url(), `${url}/sign-ins`);
  assert.equal(await first.getByRole("listitem").count(), 2);
  await third.reload();
  assert.equal(await heading(third), "Sign in", "the newest of the others was ended");
  await submit(first, "End all others");
  assert.equal(await first.getByRole("listitem").count(), 1);
  await second.reload();
  assert.equal(await heading(second), "Sign in");
  await submit(first, "Sign out");
  assert.equal(await heading(first), "Sign in");
};
