// Keeps pages live that say what they ask for, and copies addresses. Pages work without it.
(() => {
  const stale = document.getElementById("stale");
  let heard = Date.now();
  document.documentElement.classList.add("scripted");
  // Nobody looks, or somebody is at work in what would be replaced: perhaps since the answer is on its way.
  for (const name of ["htmx:beforeRequest", "htmx:beforeSwap"])
    addEventListener(name, (event) => {
      const asks = event.detail.elt;
      const parts = document.querySelectorAll(asks.getAttribute("hx-select-oob") || "#" + asks.id);
      const isBusy = [...parts].some((part) => part.matches(":focus-within") || part.querySelector("details[open]"));
      if (document.hidden || isBusy) event.preventDefault();
    });
  addEventListener("htmx:afterRequest", (event) => {
    if (event.detail.successful) heard = Date.now();
    stale.hidden = Date.now() - heard < 20000;
  });
  addEventListener("visibilitychange", () => document.hidden || htmx.trigger("#main", "news"));
  for (const button of document.querySelectorAll("[data-copy]")) {
    button.hidden = !navigator.clipboard;
    button.onclick = () =>
      navigator.clipboard.writeText(document.getElementById(button.dataset.copy).value).then(() => (button.textContent = "Copied"));
  }
})();
