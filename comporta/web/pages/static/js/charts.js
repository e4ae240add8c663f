// Charts drawn from the tables beside them; the tables stay for screen readers and exact numbers.
import { stamp } from "./times.js";

const drawn = new Map();
// Outcomes that the reader has switched off in the legend.
const hidden = new Set();

function load(table) {
  return new Promise((resolve, reject) => {
    if (window.uPlot) return resolve();
    const style = Object.assign(document.createElement("link"), { rel: "stylesheet", href: table.dataset.style });
    const script = Object.assign(document.createElement("script"), { src: table.dataset.script, onload: resolve, onerror: reject });
    document.head.append(style, script);
  });
}

function read(table) {
  // The table lists the newest row first, uPlot needs the oldest first.
  const rows = [...table.tBodies[0].rows].reverse();
  const at = rows.map((row) => Date.parse(row.dataset.at) / 1000);
  const columns = [...table.tHead.rows[0].cells].slice(1, -1).map((head, index) =>
    rows.map((row) => (hidden.has(head.dataset.outcome) ? 0 : Number(row.cells[index + 1].dataset.value))));
  // Stacked bars: each series is drawn from zero to its top, the tallest first, so that the next ones cover its lower part.
  const tops = columns.map((_, index) => rows.map((_, row) => columns.slice(0, index + 1).reduce((sum, column) => sum + column[row], 0)));
  return [at, ...tops.reverse()];
}

function shades(table) {
  return JSON.parse(table.dataset.off || "[]").map(([from, to]) => [Date.parse(from) / 1000, to ? Date.parse(to) / 1000 : Infinity]);
}

function colour(selector) {
  const element = document.querySelector(selector);
  return element ? getComputedStyle(element, "::before").backgroundColor : "gray";
}

// Pauses are shaded over the whole height behind the bars, and once more as a strip in front, where no bar hides them.
function shade(chart, table, strip) {
  const { left, top, width, height: whole } = chart.bbox, height = strip ? 5 * devicePixelRatio : whole;
  chart.ctx.save();
  chart.ctx.fillStyle = strip ? colour(".legend .outcome-discarded") : colour(".legend .shade");
  for (const [from, to] of shades(table())) {
    const start = Math.max(left, chart.valToPos(from, "x", true));
    const end = Math.min(left + width, to === Infinity ? left + width : chart.valToPos(to, "x", true));
    if (end > start) chart.ctx.fillRect(start, top, Math.max(end - start, 2), height);
  }
  chart.ctx.restore();
}

function options(holder, table) {
  const step = Number(table().dataset.step);
  const names = [...table().tHead.rows[0].cells].slice(1, -1).map((cell) => cell.dataset.outcome).reverse();
  const style = getComputedStyle(document.documentElement);
  const axis = { stroke: getComputedStyle(holder).color, grid: { stroke: "rgba(127,127,127,0.2)", width: 1 }, ticks: { show: false }, font: `12px ${style.fontFamily}` };
  const number = new Intl.NumberFormat(document.documentElement.lang, { notation: "compact" });
  const day = step > 3600 ? { day: "2-digit", month: "2-digit" } : {};
  const hour = new Intl.DateTimeFormat(document.documentElement.lang, { ...day, hour: "2-digit", minute: "2-digit", hourCycle: "h23" });
  return {
    width: holder.clientWidth, height: 220, legend: { show: false }, cursor: { show: false },
    // A bar stands over the time that it counts: it begins at its row's time and is as wide as a step.
    scales: { x: { time: true, range: (_, low, high) => [low, high + step] }, y: { range: (_, __, high) => [0, Math.max(1, high * 1.1)] } },
    axes: [
      { ...axis, size: 28, space: step > 3600 ? 90 : 50, values: (_, ticks) => ticks.map((tick) => hour.format(tick * 1000)) },
      { ...axis, size: 56, values: (_, ticks) => ticks.map((tick) => (Number.isInteger(tick) ? number.format(tick) : "")) },
    ],
    series: [{}, ...names.map((name) => ({ fill: colour(`.legend .outcome-${name}`), width: 0, points: { show: false }, paths: uPlot.paths.bars({ size: [0.86, Infinity], align: 1 }) }))],
    hooks: { drawClear: [(chart) => shade(chart, table, false)], draw: [(chart) => shade(chart, table, true)] },
  };
}

function draw(holder) {
  const table = () => document.getElementById(holder.dataset.table);
  drawn.get(holder)?.destroy();
  drawn.set(holder, new uPlot(options(holder, table), read(table()), holder));
}

const shown = (table) => [...table.tBodies[0].rows].reverse();

// Values of one bar, beside it and for screen readers.
function point(holder, index) {
  const table = document.getElementById(holder.dataset.table), rows = shown(table);
  const at = Math.max(0, Math.min(rows.length - 1, index)), row = rows[at], tip = holder.querySelector(".tip");
  const heads = [...table.tHead.rows[0].cells].slice(1);
  const values = heads.map((head, column) => [head.textContent, row.cells[column + 1].textContent]);
  const when = stamp(new Date(row.dataset.at)).slice(0, -3);
  holder.setAttribute("aria-valuenow", at);
  holder.setAttribute("aria-valuetext", `${when}: ${values.map(([name, value]) => `${name} ${value}`).join(", ")}`);
  const title = Object.assign(document.createElement("strong"), { textContent: when });
  const list = values.map(([name, value]) => Object.assign(document.createElement("span"), { textContent: `${name} ${value}` }));
  tip.replaceChildren(title, ...list);
  tip.hidden = false;
  const chart = drawn.get(holder), step = Number(table.dataset.step);
  const left = chart.valToPos(Date.parse(row.dataset.at) / 1000 + step, "x") + chart.bbox.left / devicePixelRatio;
  tip.style.left = `${left + tip.offsetWidth > holder.clientWidth ? Math.max(0, left - tip.offsetWidth - 24) : left + 8}px`;
}

function indexAt(holder, event) {
  const table = document.getElementById(holder.dataset.table), chart = drawn.get(holder), rows = shown(table);
  const box = chart.over.getBoundingClientRect();
  if (event.clientX < box.left || event.clientX > box.right) return null;
  const at = chart.posToVal(event.clientX - box.left, "x");
  return Math.max(0, Math.min(rows.length - 1, Math.floor((at - Date.parse(rows[0].dataset.at) / 1000) / Number(table.dataset.step))));
}

// A bar leads to its time in more detail and, where there is none, to what was refused in it.
function follow(holder, index) {
  const table = document.getElementById(holder.dataset.table), row = shown(table)[index];
  if (table.dataset.finer !== undefined) {
    const target = new URL(table.dataset.finer, location.href);
    target.searchParams.set("at", row.dataset.at);
    location.assign(target);
    return;
  }
  const refused = [...table.tHead.rows[0].cells].findIndex((head) => head.dataset.outcome === "quarantined");
  if (!Number(row.cells[refused].dataset.value)) return;
  const target = new URL(table.dataset.refused, location.href), from = new Date(row.dataset.at);
  for (const [name, moment] of [["since", from], ["until", new Date(from.getTime() + 1000 * table.dataset.step)]]) {
    const local = new Date(moment.getTime() - 60_000 * moment.getTimezoneOffset()).toISOString().slice(0, 16);
    target.searchParams.set(name, local);
    target.searchParams.set(`${name}_utc`, moment.toISOString());
  }
  location.assign(target);
}

function watchPointer(holder) {
  const hide = () => { holder.querySelector(".tip").hidden = true; };
  const current = () => Number(holder.getAttribute("aria-valuenow"));
  holder.addEventListener("mousemove", (event) => {
    const index = indexAt(holder, event);
    if (index === null) hide(); else point(holder, index);
  });
  holder.addEventListener("mouseleave", hide);
  holder.addEventListener("blur", hide);
  holder.addEventListener("focus", () => { if (holder.matches(":focus-visible")) point(holder, current()); });
  holder.addEventListener("click", (event) => {
    const index = indexAt(holder, event);
    if (index !== null) follow(holder, index);
  });
  holder.addEventListener("keydown", (event) => {
    const last = Number(holder.getAttribute("aria-valuemax"));
    const next = { ArrowLeft: current() - 1, ArrowRight: current() + 1, ArrowDown: current() - 1, ArrowUp: current() + 1, Home: 0, End: last }[event.key];
    if (next !== undefined) point(holder, next);
    else if (event.key === "Enter") follow(holder, current());
    else if (event.key === "Escape") hide();
    else return;
    event.preventDefault();
  });
}

function watchLegend(holder) {
  for (const button of holder.parentElement.querySelectorAll(".legend button")) {
    button.addEventListener("click", () => {
      const name = button.dataset.outcome;
      if (!hidden.delete(name)) hidden.add(name);
      button.setAttribute("aria-pressed", String(!hidden.has(name)));
      drawn.get(holder)?.setData(read(document.getElementById(holder.dataset.table)));
    });
  }
}

async function watch(holder) {
  const table = document.getElementById(holder.dataset.table);
  if (!table) return;
  await load(table);
  draw(holder);
  watchPointer(holder);
  watchLegend(holder);
  new ResizeObserver(() => drawn.get(holder).setSize({ width: holder.clientWidth, height: 220 })).observe(holder);
  // A canvas does not follow the theme: it is redrawn when the colours change.
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => draw(holder));
  document.body.addEventListener("comporta:replaced", (event) => {
    const fresh = document.getElementById(holder.dataset.table);
    if (fresh && event.target.contains(fresh)) drawn.get(holder).setData(read(fresh));
  });
}

export function watchCharts() {
  for (const holder of document.querySelectorAll(".chart[data-table]")) watch(holder);
}
