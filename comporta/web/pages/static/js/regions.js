// What a refresh may replace: never what somebody is using, and nothing that is as it was.
const seen = new Map();
const restore = new Map();
export const state = { frozen: false, waiting: false };

// Spans count by themselves: two pictures that differ in nothing else are the same.
function bare(element) {
  const copy = element.cloneNode(true);
  copy.removeAttribute("hx-swap-oob");
  for (const counting of copy.querySelectorAll("[data-relative], [data-elapsed], [data-countdown]")) counting.textContent = "";
  return copy.outerHTML;
}

function selected(region) {
  const selection = document.getSelection();
  return selection && !selection.isCollapsed && selection.containsNode(region, true);
}

function busy(region) {
  return region.dataset.live !== "always" && (region.contains(document.activeElement) || selected(region));
}

function beforeSwap(event) {
  const region = event.detail.target, fresh = event.detail.fragment.firstElementChild;
  if (!region.dataset.live || !fresh) return;
  const picture = bare(fresh);
  const same = seen.get(region.id) === picture;
  const held = (state.frozen && region.dataset.live !== "always") || busy(region);
  if (held && !same) state.waiting = true;
  if (same || held) {
    event.detail.shouldSwap = false;
    return;
  }
  seen.set(region.id, picture);
  for (const open of region.querySelectorAll("details[open][id]")) {
    fresh.querySelector(`#${CSS.escape(open.id)}`)?.setAttribute("open", "");
  }
  const focusable = [...region.querySelectorAll("a, button, summary")];
  restore.set(region.id, {
    scrolled: [...region.querySelectorAll(".scroll")].map((each) => each.scrollLeft),
    focus: focusable.indexOf(document.activeElement),
  });
}

function afterSwap(event) {
  const region = document.getElementById(event.detail.target.id);
  const kept = region && restore.get(region.id);
  if (!kept) return;
  restore.delete(region.id);
  region.querySelectorAll(".scroll").forEach((each, index) => { each.scrollLeft = kept.scrolled[index] ?? 0; });
  if (kept.focus >= 0) region.querySelectorAll("a, button, summary")[kept.focus]?.focus({ preventScroll: true });
  region.dispatchEvent(new CustomEvent("comporta:replaced", { bubbles: true }));
}

export function watchRegions() {
  // As the server has sent them: else the first refresh would replace everything, under the finger that is just clicking.
  for (const region of document.querySelectorAll("[data-live]")) seen.set(region.id, bare(region));
  document.body.addEventListener("htmx:oobBeforeSwap", beforeSwap);
  document.body.addEventListener("htmx:oobAfterSwap", afterSwap);
}
