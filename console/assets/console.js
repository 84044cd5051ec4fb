// What a page can't do without a script, and nothing that decides anything: every form works without it.
"use strict";

(() => {
  // The secret of a one-time link stands in the fragment, which browsers never send. It is taken out of the address
  // bar, and with that out of the history, before anything else happens, and goes into the form that the person
  // sends.
  const link = document.querySelector("form[data-link]");
  if (link) {
    const secret = location.hash.slice(1);
    if (secret) {
      history.replaceState(null, "", location.pathname);
      link.elements.secret.value = secret;
      for (const part of document.querySelectorAll("[data-pasted]")) part.hidden = true;
      for (const part of document.querySelectorAll("[data-taken]")) part.hidden = false;
    }
  }

  // The answer to a form gives its place in the history to a page that can be asked for: loading it again, or coming
  // back to it, sends nothing a second time, and shows no secret again.
  const answer = document.querySelector("[data-stands-for]");
  if (answer) history.replaceState(null, "", answer.dataset.standsFor);

  // What was done, or couldn't be, is said in one place, which is there before anything is said: a part of a page
  // that is replaced takes what is read out along with it.
  const said = document.getElementById("said");
  const say = (text, bad) => {
    said.classList.toggle("bad", bad);
    said.textContent = text;
  };
  const noAnswer = "Tollbook didn't answer. What you asked for may not have been done: load the page again, and look.";
  document.addEventListener("htmx:before:request", () => say("", false));
  document.addEventListener("htmx:after:swap", () => {
    // The button that was pressed is gone: whoever uses the keyboard goes on where it stood.
    const part = document.querySelector("[data-said]");
    if (!part) return;
    say(part.dataset.said, false);
    part.removeAttribute("data-said");
    part.focus();
  });
  document.addEventListener("htmx:error", () => say(noAnswer, true));
  document.addEventListener("htmx:response:error", ({ detail: { ctx } }) => {
    // Every refusal of ours says what it takes the place of; what doesn't is something's in between.
    if (ctx.hx.retarget || ctx.hx.redirect) return;
    ctx.swap = "none";
    say(noAnswer, true);
  });

  // Copying needs a script, so its button is there only with one.
  for (const button of document.querySelectorAll("button[data-copy]")) {
    const copied = document.getElementById(button.dataset.copied);
    button.hidden = false;
    button.addEventListener("click", async () => {
      const from = document.getElementById(button.dataset.copy);
      try {
        await navigator.clipboard.writeText(from.textContent.trim());
        copied.textContent = "Copied.";
      } catch {
        getSelection().selectAllChildren(from);
        copied.textContent = "Selected: copy it with your keyboard.";
      }
    });
  }

  // A page that comes back out of memory may show what was true before a sign-out.
  addEventListener("pageshow", (event) => {
    if (event.persisted) location.reload();
  });
})();
