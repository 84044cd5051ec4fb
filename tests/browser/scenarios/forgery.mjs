// What another site, another browser or another sign-in sends, changes nothing.
import assert from "node:assert/strict";
import { heading, press, signIn } from "./steps.mjs";

export default async ({ args: { url, links }, visitor, shots, check }) => {
  const victim = await visitor();
  const page = await victim.newPage();
  await signIn(page, links[0]);
  const other = await (await visitor()).newPage();
  await signIn(other, links[1]);
  const token = (of) => of.locator("input[name=csrf]").first().inputValue();
  const own = await token(page);
  const others = await token(other);
  assert.notEqual(own, others);

  // Sent by the page itself, so that all but the token is right.
  const send = (csrf) => page.evaluate(async (csrf) => {
    const body = new URLSearchParams(csrf === null ? {} : { csrf });
    return (await fetch("/sign-out", { method: "POST", body, redirect: "manual" })).status;
  }, csrf);
  for (const wrong of [null, "", "0".repeat(64), others, own.slice(0, -1), `${own}0`]) {
    assert.equal(await send(wrong), 403, `token ${wrong}`);
  }

  // From another site: the browser says so, and keeps the cookie to itself.
  const elsewhere = await victim.newPage();
  await elsewhere.goto("about:blank");
  await elsewhere.setContent(`<form method="post" action="${url}/sign-out"><input name="csrf" value="${own}"><button>Win</button></form>`);
  await press(elsewhere, "Win");
  await elsewhere.getByRole("heading", { level: 1, name: "Not allowed" }).waitFor();
  await check(elsewhere);
  await shots(elsewhere, "forged");

  // And no page of ours is shown in a frame of theirs.
  await page.reload();
  assert.equal(await heading(page), "Your workspaces", "still signed in");
  assert.equal(await send(own), 0, "the right token is taken: a redirect, which isn't followed");
  await page.reload();
  assert.equal(await heading(page), "Sign in");
};
