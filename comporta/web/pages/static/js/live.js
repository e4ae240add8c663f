// One connection tells that something has changed; the regions are then fetched again, at most once a second.
import { state } from "./regions.js";
import { clock, now } from "./times.js";

const root = document.documentElement.dataset.root;
const SILENT = 25_000;
const AGAIN = 2_000;
const PACE = 1_000;

let source, heard = 0, refreshed = 0, timer = null, settling = null, epoch = null;
let last = {}, lost = false, away = null, brokerAway = null, frozenAt = null;

export function refresh(urgent = false) {
  if (document.hidden && !urgent) {
    state.waiting = true;
    return;
  }
  const wait = urgent ? 0 : Math.max(0, refreshed + PACE - Date.now());
  if (timer !== null && !urgent) return;
  clearTimeout(timer);
  timer = setTimeout(() => {
    timer = null;
    refreshed = Date.now();
    state.waiting = false;
    htmx.trigger("#live", "comporta:refresh");
  }, wait);
}

// Some of what is shown is counted at most once a second: one more look finds what the last change has done to it.
function changed(urgent = false) {
  refresh(urgent);
  const wait = document.querySelector("[data-settles]")?.dataset.settles;
  clearTimeout(settling);
  if (wait) settling = setTimeout(() => refresh(), Number(wait));
}

function show() {
  const bar = document.getElementById("lost");
  let text = "";
  if (lost) text = bar.dataset.lost.replace("{}", clock(heard));
  else if (away) text = bar.dataset.away.replace("{}", clock(Date.parse(away.since)));
  else if (brokerAway) text = bar.dataset.broker.replace("{}", clock(Date.parse(brokerAway)));
  else if (frozenAt) text = bar.dataset.frozen.replace("{}", clock(frozenAt));
  bar.classList.toggle("calm", !lost && !away && !brokerAway);
  bar.hidden = !text;
  if (bar.firstElementChild.textContent !== text) bar.firstElementChild.textContent = text;
}

function found() {
  const back = lost;
  heard = now();
  lost = false;
  if (back) refresh(true);
  show();
}

function lose() {
  if (!heard) heard = Date.parse(document.documentElement.dataset.now);
  lost = true;
  show();
}

// A worker's last sign of life is no change, except on the page that shows it.
function told(name, data) {
  const picture = name === "status" && !document.querySelector("[data-pulse]")
    ? JSON.stringify(data, (key, value) => (key === "last_seen" ? undefined : value))
    : JSON.stringify(data);
  const changed = last[name] !== picture;
  last = { ...last, [name]: picture };
  return changed;
}

function onStatus(event) {
  const data = JSON.parse(event.data), back = away;
  away = null;
  found();
  for (const each of document.querySelectorAll("[data-in-flight]")) each.textContent = data.in_flight_orders;
  const shown = epoch ?? Number(document.getElementById("integration").dataset.epoch);
  const turned = data.epoch !== shown;
  epoch = data.epoch;
  if (told("status", data) || turned || back) changed(turned || Boolean(back));
}

function connect() {
  source = new EventSource(`${root}/api/events`);
  source.addEventListener("status", onStatus);
  source.addEventListener("ledger", (event) => { found(); if (told("ledger", JSON.parse(event.data))) changed(); });
  source.addEventListener("unavailable", (event) => { away = JSON.parse(event.data); found(); });
  source.addEventListener("broker", (event) => { brokerAway = JSON.parse(event.data).since; found(); });
  source.addEventListener("error", () => {
    lose();
    if (source.readyState === EventSource.CLOSED) setTimeout(again, AGAIN);
  });
}

// A closed stream is either a session that has ended, or a server that was away for a moment.
async function again() {
  const answer = await fetch(`${root}/api/status`, { headers: { accept: "application/json" } }).catch(() => null);
  if (answer?.status === 401) location.reload();
  else connect();
}

function freeze(button) {
  state.frozen = !state.frozen;
  frozenAt = state.frozen ? now() : null;
  button.setAttribute("aria-pressed", String(state.frozen));
  button.querySelector("span").textContent = state.frozen ? button.dataset.thaw : button.dataset.freeze;
  show();
  if (!state.frozen) refresh(true);
}

export function watchEvents() {
  const button = document.getElementById("freeze");
  button.hidden = false;
  button.addEventListener("click", () => freeze(button));
  document.addEventListener("visibilitychange", () => { if (!document.hidden && state.waiting) refresh(true); });
  document.addEventListener("focusout", () => { if (state.waiting) refresh(); });
  setInterval(() => { if (heard && now() - heard > SILENT) lose(); }, 1000);
  // Leaving is no loss: without this the banner flashes up on every link.
  addEventListener("pagehide", () => source.close());
  addEventListener("pageshow", (event) => { if (event.persisted) { connect(); refresh(true); } });
  connect();
}
