// Times in the browser's zone, durations that count, and the UTC values of date fields.
const page = document.documentElement;
const portuguese = page.lang.startsWith("pt");
// Offset to the server's clock: a browser with a wrong clock must still show the right time until the end of a pause.
const skew = page.dataset.now ? Date.parse(page.dataset.now) - Date.now() : 0;

const parts = new Intl.DateTimeFormat("en", {
  year: "numeric", month: "2-digit", day: "2-digit", hour: "2-digit", minute: "2-digit", second: "2-digit",
  hourCycle: "h23",
});

export const now = () => Date.now() + skew;

export function stamp(moment) {
  const part = Object.fromEntries(parts.formatToParts(moment).map(({ type, value }) => [type, value]));
  const day = portuguese ? `${part.day}/${part.month}/${part.year}` : `${part.year}-${part.month}-${part.day}`;
  return `${day} ${part.hour}:${part.minute}:${part.second}`;
}

export const clock = (moment) => stamp(moment).split(" ")[1];

export function span(seconds) {
  const whole = Math.max(0, Math.floor(seconds));
  const days = Math.floor(whole / 86400), hours = Math.floor((whole % 86400) / 3600), minutes = Math.floor((whole % 3600) / 60);
  if (days) return hours ? `${days} d ${hours} h` : `${days} d`;
  if (hours) return minutes ? `${hours} h ${minutes} min` : `${hours} h`;
  return minutes ? `${minutes} min` : `${whole} s`;
}

// Counts the last ten minutes by the second.
export function counting(seconds) {
  const whole = Math.max(0, Math.ceil(seconds));
  return whole >= 600 ? span(whole) : `${Math.floor(whole / 60)}:${String(whole % 60).padStart(2, "0")}`;
}

function put(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

function tick() {
  const at = now();
  for (const element of document.querySelectorAll("[data-relative]")) {
    const seconds = (at - Date.parse(element.dataset.relative)) / 1000;
    put(element, (seconds >= 0 ? page.dataset.ago : page.dataset.in).replace("{}", span(Math.abs(seconds))));
  }
  for (const element of document.querySelectorAll("[data-elapsed]")) {
    put(element, span((at - Date.parse(element.dataset.elapsed)) / 1000));
  }
  for (const element of document.querySelectorAll("[data-countdown]")) {
    put(element, counting((Date.parse(element.dataset.countdown) - at) / 1000));
  }
}

export function localize(root = document) {
  for (const element of root.querySelectorAll("time[data-local]")) {
    element.title = `${zone()} · ${element.dateTime.replace("T", " ").replace(/(\.\d+)?Z$/, " UTC")}`;
    put(element, stamp(new Date(element.dateTime)));
  }
  for (const element of root.querySelectorAll("[data-zone]")) put(element, zone());
  for (const element of root.querySelectorAll('input[type="datetime-local"]')) fill(element);
}

// The zone in words, the same in summer and winter: every time on the page is in it.
const zoneName = new Intl.DateTimeFormat(page.lang, { timeZoneName: "longGeneric" })
  .formatToParts().find(({ type }) => type === "timeZoneName").value;

function zone() {
  return zoneName;
}

// A datetime-local field has no zone: the hidden field sends the moment in UTC.
function fill(input) {
  const hidden = input.parentElement.querySelector(`input[name="${input.name}_utc"]`);
  if (!hidden) return;
  const put = () => { hidden.value = input.value ? new Date(input.value).toISOString() : ""; };
  input.addEventListener("change", put);
  input.addEventListener("input", put);
  put();
}

export function watchTimes() {
  localize();
  tick();
  setInterval(tick, 1000);
  document.body.addEventListener("htmx:load", (event) => { localize(event.target); tick(); });
}
