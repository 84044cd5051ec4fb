// A link that is for somebody else than the one who is signed in: refused, and not used up.
import assert from "node:assert/strict";
import { heading, look, press, signIn } from "./steps.mjs";

export default async ({ args: { own, anothers, name }, visitor, check, shots }) => {
  const page = await (await visitor()).newPage();
  await signIn(page, own);
  await look(page, anothers);
  assert.equal(await heading(page), "For another person");
  assert.ok(!(await page.locator("main").textContent()).includes(name), "whom it is for isn't said");
  await check(page);
  await shots(page, "another-person");

  const right = await (await visitor()).newPage();
  await signIn(right, anothers);
  assert.match(await right.locator("main").textContent(), new RegExp(name));
};
