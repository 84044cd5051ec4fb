// An empty book: its link founds the first workspace, once.
import assert from "node:assert/strict";
import { forgets, heading, look, refusedLink, submit, textAfterGoingBack } from "./steps.mjs";

export default async ({ args: { url, link }, visitor, check, shots }) => {
  const context = await visitor();
  const page = await context.newPage();
  await look(page, link);
  assert.equal(await heading(page), "Welcome to Tollbook");
  await check(page);
  await shots(page, "offer-founding");
  await page.getByLabel("Your name").fill("Olivia Owner");
  await page.getByLabel("The workspace's name").fill("Acme Robotics");
  await submit(page, "Begin");
  assert.equal(await heading(page), "Acme Robotics is ready");
  const operator = (await page.locator("#secret-text").textContent()).trim();
  await check(page);
  await page.locator("#secret-text").evaluate((element) => { element.textContent = "tbk_opr_" + "x".repeat(61); });
  await shots(page, "founded");
  await Promise.all([page.waitForNavigation(), page.getByRole("link", { name: "On to your workspace" }).click()]);
  const home = await page.locator("main").textContent();
  assert.ok(home.includes("Olivia Owner") && home.includes("Acme Robotics") && home.includes("owner"), home);
  await forgets(page, link.split("#")[1]);
  assert.ok(!(await textAfterGoingBack(page)).includes(operator));

  const late = await (await visitor()).newPage();
  await look(late, link);
  await refusedLink(late);
  return { operator, cookies: await context.cookies() };
};
