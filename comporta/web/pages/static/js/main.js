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
watchTimes();
watchDialog();
watchTab();
watchEvents();
watchCharts();
watchChoices();

// Ctrl-K (or Cmd-K) leads to the search from everywhere but an open dialog.
document.addEventListener("keydown", (event) => {
  if (event.key.toLowerCase() !== "k" || !(event.ctrlKey || event.metaKey) || event.shiftKey || event.altKey) return;
  const search = document.getElementById("search");
  if (!search || document.querySelector("dialog[open]")) return;
  event.preventDefault();
  search.focus();
  search.select();
});
