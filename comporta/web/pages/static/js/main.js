// Starts what makes the page live. Everything works without it, by links and forms.
import { watchCharts } from "./charts.js";
import { watchDialog } from "./dialog.js";
import { watchEvents } from "./live.js";
import { watchRegions } from "./regions.js";
import { watchTab } from "./tab.js";
import { watchTimes } from "./times.js";

// First of all: the others change what the server has sent.
watchRegions();
watchTimes();
watchDialog();
watchTab();
watchEvents();
watchCharts();
