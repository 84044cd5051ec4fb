// Signs in, and answers with the cookies of that.
import { signIn } from "./steps.mjs";

export default async ({ args: { link }, visitor }) => {
  const context = await visitor();
  await signIn(await context.newPage(), link);
  return { cookies: await context.cookies() };
};
