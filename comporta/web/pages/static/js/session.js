// End of the session: the login says so; a page on which something is typed stays, and goes on after another sign-in.
const root = document.documentElement.dataset.root;
let notice = null;

function typed(field) {
  if (field.type === "hidden" || field.disabled) return false;
  if (field.tagName === "SELECT") return [...field.options].some((option) => option.selected !== option.defaultSelected && field.selectedIndex > 0);
  if (field.type === "checkbox" || field.type === "radio") return field.checked !== field.defaultChecked;
  return field.value !== undefined && field.value !== field.defaultValue;
}

function somethingTyped() {
  return [...document.querySelectorAll("main input, main select, main textarea, dialog input, dialog select, dialog textarea")].some(typed);
}

// Shown in the dialog if one is open: all else is out of reach then.
function show() {
  const { ended, signIn } = document.getElementById("lost").dataset;
  const dialog = document.getElementById("dialog");
  notice = Object.assign(document.createElement("p"), { className: "fault ended", textContent: `${ended} ` });
  notice.setAttribute("role", "alert");
  notice.append(Object.assign(document.createElement("a"), { href: `${root}/login`, target: "_blank", textContent: signIn }));
  (dialog.open ? document.getElementById("dialog-body") : document.getElementById("content")).prepend(notice);
  notice.scrollIntoView({ block: "nearest" });
}

export function sessionEnded() {
  if (notice?.isConnected) return;
  if (somethingTyped()) return show();
  const here = location.pathname.slice(root.length) + location.search;
  location.assign(`${root}/login?error=ended&next=${encodeURIComponent(here)}`);
}

export function sessionIsBack() {
  notice?.remove();
  notice = null;
}

// Before htmx obeys the redirect of a request without a session, which would throw away what is typed.
export function watchSession(onEnd) {
  document.body.addEventListener("htmx:beforeOnLoad", (event) => {
    if (event.detail.xhr.status !== 401) return;
    event.preventDefault();
    sessionEnded();
    onEnd();
  });
}
