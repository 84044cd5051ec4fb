// A link that is for somebody else than the one who is signed in: refused, and not used up.
import assert from "node:assert/strict";
import { heading, look, signIn } from "./steps.mjs";

export default async ({ args: { own, anothers, name }, visitor, check, shots }) => {
  const page = await (await visitor()).newPage();
  await signIn(page, own);
  await look(page, anothers);
  assert.equal(await heading(page), "For another person");
  assert.ok(!(await page.locator("main").textContent()).includes(name), "whom it is for isn't said");
  assert.match(await page.locator("main").textContent(), /You are signed in as Olivia Owner; this link is for somebody else/);
  await check(page);
  await shots(page, "another-person");
  await Promise.all([page.waitForNavigation(), page.locator("main").getByRole("button", { name: "Sign out" }).click()]);
  assert.equal(await heading(page), "Sign in");

  const right = await (await visitor()).newPage();
  await signIn(right, anothers);
  assert.match(await right.locator("main").textContent(), new RegExp(name));
};
