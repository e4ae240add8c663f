// Forms that are links without JavaScript open in one dialog; what acts says so in a notice.
import { refresh } from "./live.js";

const STAYS = 8_000;
let timer = null;

function opened(event) {
  const target = event.detail.target;
  if (target.id === "dialog-body") {
    const dialog = document.getElementById("dialog");
    if (!dialog.open) dialog.showModal();
    // The safe button, or what has to be filled in again; without a scroll, so that reading begins at the top.
    const wanted = dialog.querySelector(".fault") ? "input:not([type=hidden])" : "[data-close]";
    dialog.querySelector(wanted)?.focus({ preventScroll: true });
    dialog.scrollTop = 0;
  }
  if (target.id === "notice") {
    clearTimeout(timer);
    timer = setTimeout(() => target.replaceChildren(), STAYS);
  }
  if (event.detail.requestConfig?.verb === "post") refresh(true);
}

// Whoever answers before the page does (who may not act, a session that has ended) speaks as to a program.
function readable(event) {
  const kind = event.detail.xhr.getResponseHeader("content-type") ?? "";
  if (!kind.includes("json")) return;
  const sentence = document.createElement("p");
  sentence.className = "fault";
  sentence.setAttribute("role", "alert");
  sentence.textContent = JSON.parse(event.detail.serverResponse).detail;
  event.detail.serverResponse = sentence.outerHTML;
}

// A refresh may have replaced what opened the dialog: then the switch is where the focus returns to.
function closed() {
  document.getElementById("dialog-body").replaceChildren();
  if (document.activeElement === document.body) document.querySelector("#integration .toggle, #content")?.focus();
}

export function watchDialog() {
  const dialog = document.getElementById("dialog");
  document.body.addEventListener("htmx:beforeSwap", readable);
  document.body.addEventListener("htmx:afterSwap", opened);
  dialog.addEventListener("close", closed);
  dialog.addEventListener("click", (event) => {
    if (!event.target.closest("[data-close]")) return;
    event.preventDefault();
    dialog.close();
  });
  document.addEventListener("click", (event) => {
    for (const menu of document.querySelectorAll(".menu[open]")) {
      if (!menu.contains(event.target)) menu.open = false;
    }
  });
  document.addEventListener("keydown", (event) => {
    const menu = event.key === "Escape" && document.querySelector(".menu[open]");
    if (!menu) return;
    menu.open = false;
    menu.querySelector("summary").focus();
  });
}
