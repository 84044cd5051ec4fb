// A form that can't be taken comes back as it was sent, with the cursor in the field that is to be mended.
import assert from "node:assert/strict";
import { heading, look, submit, textAfterGoingBack } from "./steps.mjs";

export default async ({ args: { url, founding }, visitor, check, shots }) => {
  const page = await (await visitor()).newPage();
  await page.goto(`${url}/sign-in`);
  assert.match(await page.locator("main").textContent(), /This Tollbook is empty/);
  await check(page);
  await shots(page, "sign-in-empty");
  await look(page, founding);
  const refused = async (name, workspace, field) => {
    await page.getByLabel("Your name").fill(name);
    await page.getByLabel("The workspace's name").fill(workspace);
    // What the field itself keeps out, for those whose browser doesn't.
    await submit(page, "Begin");
    assert.equal(await heading(page), "Welcome to Tollbook");
    assert.equal(await page.getByLabel("Your name").inputValue(), name.trim());
    assert.equal(await page.getByLabel("The workspace's name").inputValue(), workspace.trim());
    assert.equal(await page.locator(`#${field}`).getAttribute("aria-invalid"), "true");
    assert.equal(await page.locator("[aria-invalid]").count(), 1);
    assert.match(await page.locator(`#${field}-fault`).textContent(), /1 to 100 characters/);
    assert.equal(await page.evaluate(() => document.activeElement.id), field);
    await check(page);
  };
  await refused("   ", "Acme <b>Robotics</b>", "name");
  await shots(page, "offer-founding-fault");
  await refused("Olivia “Liv” O'Owner", "  ", "workspace");
  await page.getByLabel("The workspace's name").evaluate((input) => input.removeAttribute("maxlength"));
  await refused("Olivia “Liv” O'Owner", "x".repeat(101), "workspace");
  await page.getByLabel("The workspace's name").fill("Acme <b>Robotics</b>");
  await submit(page, "Begin");
  assert.equal(await heading(page), "Acme <b>Robotics</b> is ready");
  await Promise.all([page.waitForNavigation(), page.getByRole("link", { name: "On to your workspace" }).click()]);
  assert.equal(await heading(page), "Your workspaces");

  // The way back asks for pages, and never whether to send a form again.
  await textAfterGoingBack(page);
  assert.equal(await heading(page), "A one-time link");
};
