// The little JavaScript there is. Every page works without it.
"use strict";

for (const part of document.querySelectorAll("[data-with-script]")) part.hidden = false;

document.querySelector("[data-focus]")?.focus();

for (const field of document.querySelectorAll('input[type="password"]')) {
  const label = field.dataset.show || "Show";
  const hide = field.dataset.hide || "Hide";
  const button = document.createElement("button");
  button.type = "button";
  button.className = "button secondary";
  button.textContent = label;
  button.setAttribute("aria-controls", field.id);
  button.setAttribute("aria-pressed", "false");
  const frame = document.createElement("span");
  frame.className = "with-button";
  field.replaceWith(frame);
  frame.append(field, button);
  if (field.autofocus) field.focus();
  button.addEventListener("click", () => {
    const shown = field.type === "text";
    field.type = shown ? "password" : "text";
    button.textContent = shown ? label : hide;
    button.setAttribute("aria-pressed", String(!shown));
  });
  field.form?.addEventListener("submit", () => { field.type = "password"; });
}

for (const button of document.querySelectorAll("[data-copy]")) {
  const label = button.textContent;
  button.addEventListener("click", async () => {
    const source = document.getElementById(button.dataset.copy);
    const text = "value" in source ? source.value : source.textContent.trim();
    try {
      await navigator.clipboard.writeText(text);
    } catch {
      const range = document.createRange();
      range.selectNodeContents(source);
      getSelection().removeAllRanges();
      getSelection().addRange(range);
      return;
    }
    button.textContent = button.dataset.copied || label;
    setTimeout(() => { button.textContent = label; }, 3000);
  });
}

for (const button of document.querySelectorAll("[data-print]")) button.addEventListener("click", () => print());

for (const all of document.querySelectorAll("[data-tick-all]")) {
  const boxes = [...document.querySelectorAll(`input[type="checkbox"][name="${all.dataset.tickAll}"]`)];
  const show = () => {
    const ticked = boxes.filter((box) => box.checked).length;
    all.checked = ticked === boxes.length && ticked > 0;
    all.indeterminate = ticked > 0 && ticked < boxes.length;
    for (const place of document.querySelectorAll("[data-ticked]")) place.textContent = String(ticked);
  };
  all.addEventListener("change", () => { for (const box of boxes) box.checked = all.checked; show(); });
  for (const box of boxes) box.addEventListener("change", show);
  show();
}

for (const part of document.querySelectorAll("[data-countdown]")) {
  let left = Number(part.dataset.countdown);
  const buttons = [...document.querySelectorAll(`[data-after="${part.id}"]`)];
  for (const button of buttons) button.disabled = left > 0;
  const timer = setInterval(() => {
    left -= 1;
    if (left > 0) { part.textContent = part.textContent.replace(/\d+/, String(left)); return; }
    clearInterval(timer);
    part.hidden = true;
    for (const button of buttons) button.disabled = false;
  }, 1000);
}

const menus = [...document.querySelectorAll("details.menu")];
document.addEventListener("click", (event) => {
  for (const menu of menus) if (menu.open && !menu.contains(event.target)) menu.open = false;
});
document.addEventListener("keydown", (event) => {
  if (event.key !== "Escape") return;
  for (const menu of menus) if (menu.open) { menu.open = false; menu.querySelector("summary").focus(); }
});

for (const form of document.querySelectorAll('form[method="post"]')) {
  form.addEventListener("submit", (event) => {
    if (form.dataset.sent) event.preventDefault();
    form.dataset.sent = "yes";
  });
}
addEventListener("pageshow", () => {
  for (const form of document.querySelectorAll("form[data-sent]")) delete form.dataset.sent;
});
