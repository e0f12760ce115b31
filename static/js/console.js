// What the console adds when scripts run. Everything works without it.
// No inline script and no evaluated attribute: the page's policy forbids both.
(() => {
  "use strict";
  const root = document.documentElement;
  root.classList.add("has-script");

  // Live parts ask again every few seconds; a hidden tab asks for nothing.
  const isPoll = (event) => event.detail.ctx?.sourceElement?.matches?.("[data-live]");
  document.addEventListener("htmx:before:request", (event) => {
    if (isPoll(event) && document.hidden) event.preventDefault();
  });
  document.addEventListener("visibilitychange", () => {
    root.classList.toggle("paused", document.hidden);
    if (!document.hidden) {
      document.querySelectorAll("[data-live]").forEach((part) => window.htmx?.trigger(part, "refresh"));
    }
  });

  // An answer that is not the part itself is never put in its place. A login that ended leads to the sign-in page.
  document.addEventListener("htmx:before:response", (event) => {
    if (!isPoll(event)) return;
    const { status } = event.detail.ctx.response;
    root.classList.toggle("unreachable", status >= 500);
    if (status === 401) window.location.reload();
    if (status >= 400) event.preventDefault();
  });
  document.addEventListener("htmx:error", (event) => {
    if (isPoll(event)) root.classList.add("unreachable");
  });

  document.addEventListener("click", async (event) => {
    const button = event.target.closest?.("[data-copy]");
    if (!button) return;
    const text = document.getElementById(button.dataset.copy)?.textContent.trim();
    if (!text) return;
    try {
      await navigator.clipboard.writeText(text);
      const word = button.textContent;
      button.textContent = "Copied";
      setTimeout(() => { button.textContent = word; }, 1600);
    } catch {
      // The box selects its whole text at a click, so it can be copied by hand.
    }
  });

  // One box in the head of a table chooses all its rows.
  document.addEventListener("change", (event) => {
    const all = event.target.closest?.("[data-choose-all]");
    if (!all) return;
    const table = all.closest("table");
    table?.querySelectorAll("tbody input[type=checkbox]").forEach((box) => { box.checked = all.checked; });
  });

  // A filter that is chosen from a list applies at once.
  document.addEventListener("change", (event) => {
    const form = event.target.closest?.("form[data-auto]");
    if (form && event.target.matches("select")) form.requestSubmit();
  });
})();
