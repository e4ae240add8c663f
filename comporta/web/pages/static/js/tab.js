// The browser tab: its icon shows the state or the remaining minutes, its title both.
import { counting, now } from "./times.js";

const title = document.title;
const colours = { off: "#b3261e", partly: "#8a5a00" };
let before = null, drawn = null;

// An icon has room for three characters: minutes, then hours, then days.
function left(seconds) {
  const minutes = Math.floor(seconds / 60);
  if (minutes < 1) return "&lt;1";
  if (minutes < 100) return `${minutes}`;
  return minutes < 48 * 60 ? `${Math.floor(minutes / 60)}h` : `${Math.min(99, Math.floor(minutes / 1440))}d`;
}

function countdown(state, seconds) {
  const picture = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32">`
    + `<rect width="32" height="32" rx="7" fill="${colours[state]}"/><text x="16" y="22.5" text-anchor="middle" `
    + `font-family="sans-serif" font-size="18" font-weight="700" fill="#fff">${left(seconds)}</text></svg>`;
  return `data:image/svg+xml,${encodeURIComponent(picture)}`;
}

function ails(region) {
  return ["stopped", "delayed"].includes(region.dataset.health);
}

function titleOf(region) {
  const { state, until, announcement } = region.dataset;
  if (state === "on") return ails(region) ? `● ${announcement} · ${title}` : title;
  if (!until) return `● ${announcement} · ${title}`;
  return `● ${counting((Date.parse(until) - now()) / 1000)} · ${announcement} · ${title}`;
}

function update() {
  const region = document.getElementById("integration");
  if (!region) return;
  const { state, until, announcement } = region.dataset;
  const text = titleOf(region);
  if (document.title !== text) document.title = text;
  const icon = document.querySelector('link[rel="icon"]');
  const counts = state !== "on" && until;
  const picture = counts ? countdown(state, (Date.parse(until) - now()) / 1000) : icon.dataset[state === "on" && ails(region) ? "partly" : state];
  if (picture !== drawn) icon.href = drawn = picture;
  if (announcement === before) return;
  if (before !== null) document.getElementById("announcement").textContent = announcement;
  before = announcement;
}

export function watchTab() {
  update();
  setInterval(update, 1000);
  document.body.addEventListener("comporta:replaced", update);
}
