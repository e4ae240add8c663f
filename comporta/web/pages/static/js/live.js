// Live updates: an event stream reports changes; the regions are then fetched again, at most once a second.
import { state } from "./regions.js";
import { sessionEnded, sessionIsBack, watchSession } from "./session.js";
import { clock, now } from "./times.js";

const root = document.documentElement.dataset.root;
const STALE_MS = 25_000;
const RECONNECT_MS = 2_000;
const REFRESH_MS = 1_000;

let source, heard = 0, refreshed = 0, timer = null, settling = null, epoch = null;
let last = {}, lost = false, away = null, brokerAway = null, frozenAt = null;

export function refresh(urgent = false) {
  if (document.hidden && !urgent) {
    state.waiting = true;
    return;
  }
  const wait = urgent ? 0 : Math.max(0, refreshed + REFRESH_MS - Date.now());
  if (timer !== null && !urgent) return;
  clearTimeout(timer);
  timer = setTimeout(() => {
    timer = null;
    refreshed = Date.now();
    state.waiting = false;
    htmx.trigger("#live", "comporta:refresh");
  }, wait);
}

// The server recounts some numbers at most once a second: a second refresh shows the effect of the last change on them.
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

function received() {
  const wasLost = lost;
  heard = now();
  lost = false;
  if (wasLost) refresh(true);
  show();
}

function markLost() {
  if (!heard) heard = Date.parse(document.documentElement.dataset.now);
  lost = true;
  show();
}

// A worker's heartbeat is no change, except on the pages that show it.
function isNew(name, data) {
  const snapshot = name === "status" && !document.querySelector("[data-pulse]")
    ? JSON.stringify(data, (key, value) => (key === "last_seen" ? undefined : value))
    : JSON.stringify(data);
  const differs = last[name] !== snapshot;
  last = { ...last, [name]: snapshot };
  return differs;
}

function onStatus(event) {
  const data = JSON.parse(event.data), wasAway = away;
  away = null;
  received();
  for (const element of document.querySelectorAll("[data-in-flight]")) element.textContent = data.in_flight_orders;
  const shown = epoch ?? Number(document.getElementById("integration").dataset.epoch);
  const switched = data.epoch !== shown;
  epoch = data.epoch;
  if (isNew("status", data) || switched || wasAway) changed(switched || Boolean(wasAway));
}

function connect() {
  source = new EventSource(`${root}/api/events`);
  source.addEventListener("status", onStatus);
  source.addEventListener("ledger", (event) => { received(); if (isNew("ledger", JSON.parse(event.data))) changed(); });
  source.addEventListener("unavailable", (event) => { away = JSON.parse(event.data); received(); });
  source.addEventListener("broker", (event) => { brokerAway = JSON.parse(event.data).since; received(); });
  source.addEventListener("error", () => {
    markLost();
    if (source.readyState === EventSource.CLOSED) setTimeout(reconnect, RECONNECT_MS);
  });
}

// The stream closes when the session ends or the server restarts: 401 leads to the login, or is asked again until there
// is a session, all else leads to a new connection.
async function reconnect() {
  const response = await fetch(`${root}/api/status`, { headers: { accept: "application/json" } }).catch(() => null);
  if (response?.status === 401) {
    sessionEnded();
    setTimeout(reconnect, RECONNECT_MS);
    return;
  }
  sessionIsBack();
  connect();
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
  watchSession(() => { if (source.readyState !== EventSource.CLOSED) { source.close(); setTimeout(reconnect, RECONNECT_MS); } });
  button.addEventListener("click", () => freeze(button));
  document.addEventListener("visibilitychange", () => { if (!document.hidden && state.waiting) refresh(true); });
  document.addEventListener("focusout", () => { if (state.waiting) refresh(); });
  setInterval(() => { if (heard && now() - heard > STALE_MS) markLost(); }, 1000);
  // Leaving the page is not a lost connection: without this, the banner would flash on every link.
  addEventListener("pagehide", () => source.close());
  addEventListener("pageshow", (event) => { if (event.persisted) { connect(); refresh(true); } });
  connect();
}
