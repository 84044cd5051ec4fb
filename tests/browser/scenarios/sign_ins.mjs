// A person with three browsers ends the others, each at once; two replicas stand behind the three.
import assert from "node:assert/strict";
import { heading, press, signIn } from "./steps.mjs";

export default async ({ args: { urls, links }, visitor, check, shots }) => {
  const [laptop, phone, tablet] = await Promise.all(
    [{}, { userAgent: "Mozilla/5.0 (iPhone; CPU iPhone OS 19_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/19.0 Mobile/15E148 Safari/604.1" },
      { userAgent: "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0" }]
      .map(async (options) => (await visitor(options)).newPage()));
  await signIn(laptop, links[0]);
  await signIn(phone, links[1]);
  await signIn(tablet, links[2]);

  await laptop.goto(`${urls[0]}/sign-ins`);
  const items = laptop.getByRole("listitem");
  assert.equal(await items.count(), 3);
  assert.match(await items.first().textContent(), /Chromium on Linux.*this browser/s);
  assert.equal(await laptop.getByText("this browser").count(), 1);
  for (const item of await items.all()) assert.match(await item.textContent(), /Last used \d+ \w+ \d{4}, \d\d:\d\d UTC/);
  await check(laptop);
  await shots(laptop, "sign-ins");

  // The part of the page is replaced, and nothing else is loaded.
  await laptop.evaluate(() => { window.stayed = true; });
  await laptop.getByRole("button", { name: /^End the sign-in Safari on iPhone/ }).click();
  await laptop.getByRole("status").filter({ hasText: "has ended" }).waitFor();
  assert.equal(await items.count(), 2);
  assert.equal(await laptop.evaluate(() => window.stayed), true, "htmx swapped it in");
  assert.equal(await laptop.evaluate(() => document.activeElement.id), "sign-ins", "the keyboard goes on where the button was");
  await shots(laptop, "sign-in-ended-here");
  await phone.reload();
  assert.equal(await heading(phone), "Sign in");
  assert.match(await phone.locator(".note").textContent(), /was ended, or its time is over/);
  await check(phone);
  await shots(phone, "sign-in-ended");

  // A page that was open when its sign-in ended: its form changes nothing, and leads to the sign-in page.
  await tablet.goto(`${urls[0]}/sign-ins`);
  await press(laptop, "End all others");
  await laptop.getByRole("status").filter({ hasText: "All other" }).waitFor();
  assert.equal(await items.count(), 1);
  await tablet.getByRole("button", { name: /^End the sign-in Chromium/ }).click();
  await tablet.waitForURL("**/sign-in");
  await laptop.reload();
  assert.equal(await heading(laptop), "Your sign-ins", "the one that stayed is in force");
};
