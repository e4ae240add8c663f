// Regions replaced by a refresh: only if they changed, and never while the user selects text or has the focus in one.
const seen = new Map();
const restore = new Map();
export const state = { frozen: false, waiting: false };

// Durations count on their own, so they are ignored in the comparison.
function snapshot(element) {
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
  const html = snapshot(fresh);
  const same = seen.get(region.id) === html;
  const held = (state.frozen && region.dataset.live !== "always") || busy(region);
  if (held && !same) state.waiting = true;
  if (same || held) {
    event.detail.shouldSwap = false;
    return;
  }
  seen.set(region.id, html);
  for (const open of region.querySelectorAll("details[open][id]")) {
    fresh.querySelector(`#${CSS.escape(open.id)}`)?.setAttribute("open", "");
  }
  for (const box of region.querySelectorAll("input[type=checkbox][form]:checked")) {
    const same = fresh.querySelector(`input[type=checkbox][name="${box.name}"][value="${CSS.escape(box.value)}"]`);
    if (same) same.checked = true;
  }
  const focusable = [...region.querySelectorAll("a, button, summary")];
  restore.set(region.id, {
    scrolled: [...region.querySelectorAll(".scroll")].map((element) => element.scrollLeft),
    focus: focusable.indexOf(document.activeElement),
  });
}

function afterSwap(event) {
  const region = document.getElementById(event.detail.target.id);
  const saved = region && restore.get(region.id);
  if (!saved) return;
  restore.delete(region.id);
  region.querySelectorAll(".scroll").forEach((element, index) => { element.scrollLeft = saved.scrolled[index] ?? 0; });
  if (saved.focus >= 0) region.querySelectorAll("a, button, summary")[saved.focus]?.focus({ preventScroll: true });
  region.dispatchEvent(new CustomEvent("comporta:replaced", { bubbles: true }));
}

export function watchRegions() {
  // Record the regions as the server sent them: otherwise the first refresh would replace them all, even during a click.
  for (const region of document.querySelectorAll("[data-live]")) seen.set(region.id, snapshot(region));
  document.body.addEventListener("htmx:oobBeforeSwap", beforeSwap);
  document.body.addEventListener("htmx:oobAfterSwap", afterSwap);
}
