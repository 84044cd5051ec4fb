// Between the browser and the service is a wire, and sometimes something else: whoever presses a button is told when
// nothing came of it.
import assert from "node:assert/strict";
import { press, signIn } from "./steps.mjs";

export default async ({ args: { url, links }, visitor, check, shots, faults }) => {
  const page = await (await visitor()).newPage();
  await signIn(page, links[0]);
  await signIn(await (await visitor()).newPage(), links[1]);
  await page.goto(`${url}/sign-ins`);
  const told = page.getByRole("status").filter({ hasText: "didn't answer" });
  for (const answer of [
    (route) => route.abort("connectionrefused"),
    (route) => route.fulfill({ status: 502, contentType: "text/html", body: "<h1>Bad gateway</h1>" }),
  ]) {
    await page.route("**/end-others", answer);
    await press(page, "End all others");
    await told.waitFor();
    assert.ok(await told.evaluate((element) => element.classList.contains("bad")));
    assert.equal(await page.getByRole("listitem").count(), 2, "what stood there stands there");
    await check(page);
    await shots(page, "no-answer");
    await page.unroute("**/end-others");
    await page.reload();
  }
  faults.length = 0;
  await press(page, "End all others");
  await page.getByRole("status").filter({ hasText: "All other" }).waitFor();
  assert.equal(await told.count(), 0);
  assert.equal(await page.evaluate(() => document.activeElement.id), "sign-ins");
};
