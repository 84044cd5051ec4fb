// One person, two replicas: what is ended at one is ended at the other, at the very next request.
import assert from "node:assert/strict";
import { heading, press, signIn } from "./steps.mjs";

export default async ({ args: { urls: [one, other], links }, visitor }) => {
  const here = await (await visitor()).newPage();
  const context = await visitor();
  const there = await context.newPage();
  await signIn(here, links[0]);
  await signIn(there, links[1]);
  // The same cookie at the other replica, as a load balancer would bring it there. Ports don't part cookies, but the
  // names of ours have theirs in them.
  const [was, is] = [new URL(one).port, new URL(other).port];
  const moved = (await context.cookies()).map((cookie) => ({ ...cookie, name: cookie.name.replace(was, is) }));
  await context.addCookies(moved);
  await there.goto(`${other}/`);
  assert.equal(await heading(there), "Your workspaces");

  await here.goto(`${one}/sign-ins`);
  await press(here, "End all others");
  await here.getByRole("status").waitFor();
  await there.reload();
  assert.equal(await heading(there), "Sign in");
};
