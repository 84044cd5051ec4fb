// One link, held by two: whoever redeems it first has it, and nobody has it twice.
import assert from "node:assert/strict";
import { heading, look, submit } from "./steps.mjs";

export default async ({ args: { link }, visitor }) => {
  const pages = await Promise.all([0, 1].map(async () => (await visitor()).newPage()));
  for (const page of pages) await look(page, link);
  await Promise.all(pages.map((page) => submit(page, "Sign in")));
  const headings = await Promise.all(pages.map(heading));
  assert.deepEqual(headings.sort(), ["This link is not good", "Your workspaces"]);
};
