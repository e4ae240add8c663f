// The dialog: forms open in it that are pages without JavaScript; results of actions appear as notices.
import { refresh } from "./live.js";

const NOTICE_MS = 8_000;
let timer = null;

function opened(event) {
  const target = event.detail.target;
  if (target.id === "dialog-body") {
    const dialog = document.getElementById("dialog");
    if (!dialog.open) dialog.showModal();
    // Focus the field that the form asks for, else the safe button or, after a fault, the field to correct; without
    // scrolling, so that reading begins at the top.
    const selector = dialog.querySelector(".fault") ? "input:not([type=hidden])" : "[data-close]";
    (dialog.querySelector("[data-focus]") ?? dialog.querySelector(selector))?.focus({ preventScroll: true });
    dialog.scrollTop = 0;
  }
  if (target.id === "notice") {
    clearTimeout(timer);
    timer = setTimeout(() => target.replaceChildren(), NOTICE_MS);
  }
  if (event.detail.requestConfig?.verb === "post") refresh(true);
}

// Errors from before the page's own handlers (a viewer's action, an ended session) are JSON: show their detail.
function showProblem(event) {
  const kind = event.detail.xhr.getResponseHeader("content-type") ?? "";
  if (!kind.includes("json")) return;
  const sentence = document.createElement("p");
  sentence.className = "fault";
  sentence.setAttribute("role", "alert");
  sentence.textContent = JSON.parse(event.detail.serverResponse).detail;
  event.detail.serverResponse = sentence.outerHTML;
}

// A refresh may have replaced the element that opened the dialog: then the focus returns to the switch.
function closed() {
  document.getElementById("dialog-body").replaceChildren();
  if (document.activeElement === document.body) document.querySelector("#integration .toggle, #content")?.focus();
}

export function watchDialog() {
  const dialog = document.getElementById("dialog");
  document.body.addEventListener("htmx:beforeSwap", showProblem);
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
