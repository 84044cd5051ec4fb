// Pages that say no: they know who asks, and lead on.
import assert from "node:assert/strict";
import { heading, look, signIn, submit } from "./steps.mjs";

export default async ({ args: { url, links, invitations, workspace, person }, visitor, check, shots }) => {
  const text = (page) => page.locator("main").textContent();

  // Half a link: the place for the whole of it is right there.
  const stranger = await (await visitor()).newPage();
  await stranger.goto(`${url}/sign-in`);
  await stranger.getByLabel("The link").fill(links[0].slice(0, -9));
  await submit(stranger, "Open the link");
  assert.equal(await heading(stranger), "Not a whole link");
  assert.equal(await stranger.title(), "Not a whole link · Tollbook");
  assert.equal(await stranger.getByRole("link", { name: "How to sign in" }).getAttribute("href"), "/sign-in");
  await check(stranger);
  await shots(stranger, "not-whole");
  await stranger.getByLabel("The link").fill(links[0]);
  await submit(stranger, "Open the link");
  await submit(stranger, "Sign in");
  assert.equal(await heading(stranger), "Your workspaces");

  // Signed in, the frame stays, wherever one gets lost; and the page that says how to sign in says that one is.
  const page = stranger;
  await page.goto(`${url}/nowhere`);
  assert.equal(await heading(page), "Not found");
  await page.getByRole("button", { name: "Sign out" }).waitFor();
  assert.equal(await page.getByRole("link", { name: "On to your workspaces" }).getAttribute("href"), "/");
  await check(page);
  await shots(page, "not-found-signed-in");
  await page.goto(`${url}/sign-in`);
  assert.match(await text(page), new RegExp(`You are signed in as ${person}`));
  await check(page);
  await shots(page, "sign-in-signed-in");

  // What one is already needs no invitation, which stays good for somebody else.
  await look(page, invitations[0]);
  assert.equal(await heading(page), "You are a member already");
  assert.ok((await text(page)).includes(workspace));
  assert.equal(await page.getByRole("button", { name: "Accept the invitation" }).count(), 0);
  await check(page);
  await shots(page, "member-already");

  const fresh = await (await visitor()).newPage();
  await look(fresh, invitations[0]);
  await fresh.getByLabel("Your name").fill("  ");
  await submit(fresh, "Accept the invitation");
  assert.equal(await heading(fresh), "You are invited");
  assert.equal(await fresh.evaluate(() => document.activeElement.id), "name");
  await fresh.getByLabel("Your name").fill("Nora New");
  await submit(fresh, "Accept the invitation");
  assert.equal(await heading(fresh), "Your workspaces");

  // Whom to ask depends on what the link was for.
  const late = await (await visitor()).newPage();
  await look(late, invitations[0]);
  assert.match(await text(late), /an owner or an admin of the workspace/);
  assert.ok(!(await text(late)).includes("tollbook user link"));
  await check(late);
  await shots(late, "invitation-redeemed");
  await look(late, links[0]);
  assert.match(await text(late), /tollbook user link NAME/);
  // Loading it again asks for the link's own page, and sends nothing.
  await late.reload();
  assert.equal(await heading(late), "A one-time link");
};
