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

  // Copying needs a script, so its button is there only with one.
  for (const button of document.querySelectorAll("button[data-copy]")) {
    const said = document.getElementById(button.dataset.said);
    button.hidden = false;
    button.addEventListener("click", async () => {
      const from = document.getElementById(button.dataset.copy);
      try {
        await navigator.clipboard.writeText(from.textContent.trim());
        said.textContent = "Copied.";
      } catch {
        getSelection().selectAllChildren(from);
        said.textContent = "Selected: copy it with your keyboard.";
      }
    });
  }

  // A page that comes back out of memory may show what was true before a sign-out.
  addEventListener("pageshow", (event) => {
    if (event.persisted) location.reload();
  });
})();
