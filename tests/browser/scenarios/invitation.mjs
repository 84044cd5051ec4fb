// An invitation: accepted by somebody new, who is signed in by it; by somebody who was here before; and by nobody
// after that.
import assert from "node:assert/strict";
import { heading, look, refusedLink, signIn, submit } from "./steps.mjs";

export default async ({ args: { url, invitations, link, workspace, person }, visitor, check, shots }) => {
  const fresh = await (await visitor()).newPage();
  await look(fresh, invitations[0]);
  assert.equal(await heading(fresh), "You are invited");
  assert.ok((await fresh.locator("main").textContent()).includes(workspace));
  await check(fresh);
  await shots(fresh, "offer-invitation");
  await fresh.getByLabel("Your name").fill("Nora <b>New</b>");
  await submit(fresh, "Accept the invitation");
  assert.equal(await heading(fresh), "Your workspaces");
  const home = await fresh.locator("main").textContent();
  assert.ok(home.includes("Nora <b>New</b>") && home.includes(workspace) && home.includes("member"), home);

  const known = await (await visitor()).newPage();
  await signIn(known, link);
  await look(known, invitations[1]);
  assert.match(await known.locator("main").textContent(), new RegExp(`signed in as ${person}`));
  await submit(known, "Accept the invitation");
  assert.equal(await heading(known), "Your workspaces");
  assert.ok((await known.locator("main").textContent()).includes(workspace));

  const late = await (await visitor()).newPage();
  await look(late, invitations[0]);
  await refusedLink(late);
};
