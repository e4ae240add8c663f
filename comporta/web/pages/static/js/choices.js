// Choice of rows: the bar above the list counts the check boxes, and its buttons wait until one is set.
function boxes(form) {
  return [...document.querySelectorAll(`input[type=checkbox][name="${form.dataset.choices}"][form="${form.id}"]`)];
}

function show(form) {
  const all = boxes(form), number = all.filter((box) => box.checked).length;
  const text = form.querySelector("[data-chosen]"), every = form.querySelector("[data-all]");
  text.textContent = number ? (number === 1 ? text.dataset.one : text.dataset.many.replace("{}", number)) : "";
  every.checked = number > 0 && number === all.length;
  every.indeterminate = number > 0 && number < all.length;
  for (const button of form.querySelectorAll("button")) button.disabled = number === 0;
}

export function watchChoices() {
  const form = document.querySelector("form[data-choices]");
  if (!form) return;
  form.querySelector("[data-all]").addEventListener("change", (event) => {
    for (const box of boxes(form)) box.checked = event.target.checked;
    // Nobody chooses a row that is out of sight.
    const hidden = document.getElementById("every-row");
    if (hidden && event.target.checked) hidden.checked = true;
    show(form);
  });
  document.addEventListener("change", (event) => { if (event.target.form === form) show(form); });
  document.body.addEventListener("comporta:replaced", () => show(form));
  addEventListener("pageshow", () => show(form));
  show(form);
}
