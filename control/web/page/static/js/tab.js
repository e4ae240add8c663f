// The tab says it too: the icon by the state, the title with the time that is left or has gone by.
import { counting, now } from "./times.js";

const title = document.title;
let before = null;

function titleOf(region) {
  const { state, until, said } = region.dataset;
  if (state === "on") return title;
  if (!until) return `● ${said} · ${title}`;
  return `● ${counting((Date.parse(until) - now()) / 1000)} · ${said} · ${title}`;
}

function tell() {
  const region = document.getElementById("integration");
  if (!region) return;
  const { state, said } = region.dataset;
  const wanted = titleOf(region);
  if (document.title !== wanted) document.title = wanted;
  if (state === before) return;
  const icon = document.querySelector('link[rel="icon"]');
  icon.href = icon.dataset[state];
  if (before !== null) document.getElementById("announcement").textContent = said;
  before = state;
}

export function watchTab() {
  tell();
  setInterval(tell, 1000);
  document.body.addEventListener("comporta:replaced", tell);
}
