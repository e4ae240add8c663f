// Entry point of the live page. Without JavaScript, everything works by links and forms.
import { watchCharts } from "./charts.js";
import { watchChoices } from "./choices.js";
import { watchDialog } from "./dialog.js";
import { watchEvents } from "./live.js";
import { watchRegions } from "./regions.js";
import { watchTab } from "./tab.js";
import { watchTimes } from "./times.js";

// First: it records the regions as the server sent them, before the others change them.
watchRegions();
watchDialog();
watchTab();
watchEvents();
watchCharts();
watchChoices();
// Once the page can be used: a browser needs some 20 ms for its first name of a time zone. Until then the times are in
// UTC, and the page says so.
setTimeout(watchTimes);

// Ctrl-K (or Cmd-K) leads to the search from everywhere but an open dialog.
document.addEventListener("keydown", (event) => {
  if (event.key.toLowerCase() !== "k" || !(event.ctrlKey || event.metaKey) || event.shiftKey || event.altKey) return;
  const search = document.getElementById("search");
  if (!search || document.querySelector("dialog[open]")) return;
  event.preventDefault();
  search.focus();
  search.select();
});
