// What a member's form doesn't offer isn't to be had by sending it all the same.
import assert from "node:assert/strict";
import { heading, look, signIn, submit } from "./steps.mjs";

export default async ({ args: { url, invitation, workspace, owners, other }, visitor, check }) => {
  const page = await (await visitor()).newPage();
  await look(page, invitation);
  await page.getByLabel("Your name").fill("Mia Member");
  await submit(page, "Accept the invitation");
  await page.goto(`${url}/workspaces/${workspace}/keys/new`);
  assert.equal(await page.getByLabel("What may it do?").count(), 0, "there is nothing to choose");
  await check(page);

  // Sent by the page itself, so that all but what is asked for is right.
  const send = (page, path, fields) => page.evaluate(async ([path, fields]) => {
    const csrf = document.querySelector("input[name=csrf]").value;
    const body = new URLSearchParams({ csrf, ...fields });
    return (await fetch(path, { method: "POST", body, redirect: "manual" })).status;
  }, [path, fields]);
  const number = await page.locator("input[name=number]").inputValue();
  const keys = `/workspaces/${workspace}/keys`;
  for (const role of ["owner", "admin", "auditor"]) {
    assert.equal(await send(page, keys, { number, label: "mine", role, lasts: "" }), 403, role);
  }
  for (const fields of [{ role: "king" }, { lasts: "8" }, { number: "1" }, { number: "" }]) {
    assert.equal(await send(page, keys, { number, label: "mine", role: "", lasts: "", ...fields }), 400);
  }
  assert.equal(await send(page, `${keys}/${owners}/revoke`, {}), 404, "another's key");
  assert.equal(await send(page, keys, { number, label: "mine", role: "member", lasts: "7" }), 200);

  // Another workspace is as if it weren't there.
  const stranger = await (await visitor()).newPage();
  await signIn(stranger, other);
  assert.equal(await send(stranger, keys, { number, label: "mine", role: "", lasts: "" }), 404);
  assert.equal(await send(stranger, `${keys}/${owners}/revoke`, {}), 404);
  await stranger.goto(`${url}${keys}/new`);
  assert.equal(await heading(stranger), "Not found");
  await stranger.getByRole("button", { name: "Sign out" }).waitFor();
};
