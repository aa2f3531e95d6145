// The little JavaScript there is. Every page works without it; what only it can do is hidden until it runs.
"use strict";

const all = (selector, within = document) => [...within.querySelectorAll(selector)];
const words = document.body.dataset;

for (const part of all("[data-with-script]")) part.hidden = false;

document.querySelector("[data-focus]")?.focus();

// A button beside each password that shows what was typed.
for (const field of all('input[type="password"]')) {
  const button = document.createElement("button");
  button.type = "button";
  button.className = "button secondary";
  button.setAttribute("aria-controls", field.id);
  const frame = document.createElement("span");
  frame.className = "with-button";
  const hadFocus = document.activeElement === field || field.autofocus;
  field.replaceWith(frame);
  frame.append(field, button);
  if (hadFocus && !document.querySelector("[data-focus]")) field.focus();
  const turn = (type) => {
    field.type = type;
    button.textContent = type === "text" ? words.hide : words.show;
    button.setAttribute("aria-label", type === "text" ? words.hidePassword : words.showPassword);
  };
  turn("password");
  button.addEventListener("click", () => turn(field.type === "text" ? "password" : "text"));
  // Browsers remember what was typed into an ordinary field.
  field.form?.addEventListener("submit", () => turn("password"));
}

for (const button of all("[data-copy]")) {
  const label = button.textContent;
  const said = document.createElement("span");
  said.className = "visually-hidden";
  said.role = "status";
  button.after(said);
  button.addEventListener("click", async () => {
    const source = document.getElementById(button.dataset.copy);
    try {
      await navigator.clipboard.writeText("value" in source ? source.value : source.textContent.trim());
    } catch {
      // Without a clipboard (no HTTPS, or not allowed) the text is selected, ready for Ctrl-C.
      if ("value" in source) source.select(); else getSelection().selectAllChildren(source);
      return;
    }
    button.textContent = said.textContent = button.dataset.copied || label;
    setTimeout(() => { button.textContent = label; said.textContent = ""; }, 3000);
  });
}

for (const button of all("[data-print]")) button.addEventListener("click", () => print());

// One tick box for all of a name; how many are ticked stands at [data-ticked].
for (const one of all("[data-tick-all]")) {
  const boxes = all('input[type="checkbox"]').filter((box) => box.name === one.dataset.tickAll);
  const show = () => {
    const ticked = boxes.filter((box) => box.checked).length;
    one.checked = ticked > 0 && ticked === boxes.length;
    one.indeterminate = ticked > 0 && ticked < boxes.length;
    for (const place of all("[data-ticked]")) place.textContent = String(ticked);
  };
  one.addEventListener("change", () => { for (const box of boxes) box.checked = one.checked; show(); });
  for (const box of boxes) box.addEventListener("change", show);
  // After Back the browser ticks the boxes again when all scripts have run.
  addEventListener("pageshow", show);
}

// "You can ask for another code in 30 seconds": the last minute counts down, then the buttons wake.
const inSeconds = new Intl.NumberFormat(document.documentElement.lang || "en", { style: "unit", unit: "second", unitDisplay: "long" });
for (const part of all("[data-countdown]")) {
  const end = Date.now() + Number(part.dataset.countdown) * 1000;
  const buttons = all("[data-after]").filter((button) => button.dataset.after === part.id);
  const step = () => {
    const left = Math.ceil((end - Date.now()) / 1000);
    for (const button of buttons) button.disabled = left > 0;
    if (left < 60) part.textContent = part.textContent.replace(/\d+\s\p{L}+/u, inSeconds.format(Math.max(left, 1)));
    if (left <= 0) { part.hidden = true; clearInterval(timer); }
  };
  const timer = setInterval(step, 1000);
  step();
}

// A code on its way: how it stands is told as it changes, and the page goes on by itself. Half-typed digits are left alone.
const onItsWay = document.querySelector("[data-state]");
if (onItsWay) {
  const says = document.querySelector("[data-says]");
  const late = document.querySelector("[data-late]");
  let pause = 2000;
  let timer;
  // Whoever is on the way to another page is not called back: the answer to a right code must arrive.
  let isLeaving = false;
  addEventListener("beforeunload", () => { isLeaving = true; });
  addEventListener("pageshow", () => { isLeaving = false; });
  const anew = () => location.replace(location.href.split("#")[0]);
  const look = async () => {
    let told;
    try {
      const answer = await fetch(onItsWay.dataset.state, { headers: { accept: "application/json" } });
      told = answer.ok ? await answer.json() : answer.status === 404 && { over: true };
    } catch {
      // The network is away; the next look will tell.
    }
    if (isLeaving) told = undefined;
    if (told?.approved && document.querySelector("[data-approve]")) return document.querySelector("[data-approve]").requestSubmit();
    const isTyping = all(".code-input").some((field) => field.value);
    if (told?.over || (told && told.trouble !== onItsWay.dataset.trouble && !isTyping)) return anew();
    if (told && says && says.textContent !== told.says) says.textContent = told.says;
    if (told && late) late.hidden = !told.late;
    pause = Math.min(pause * (told ? 1.1 : 2), 10000);
    clearTimeout(timer);
    if (!document.hidden && !told?.done) timer = setTimeout(look, pause);
  };
  document.addEventListener("visibilitychange", () => { clearTimeout(timer); if (!document.hidden) timer = setTimeout(look, 100); });
  timer = setTimeout(look, pause);
}

// Menus close by Escape, and when a click or the focus goes elsewhere.
const menus = all("details.menu");
for (const type of ["click", "focusin"]) {
  document.addEventListener(type, (event) => {
    for (const menu of menus) if (menu.open && !menu.contains(event.target)) menu.open = false;
  });
}
document.addEventListener("keydown", (event) => {
  if (event.key !== "Escape") return;
  for (const menu of menus) if (menu.open) { menu.open = false; menu.querySelector("summary").focus(); }
});

// On a phone, tables of up to six columns stack: each cell names its heading. The roles stay, whatever the style does.
const ROLES = { THEAD: "rowgroup", TBODY: "rowgroup", TR: "row", TD: "cell" };
for (const table of all(".table-scroll > table")) {
  const heads = all("thead th", table);
  if (heads.length === 0 || heads.length > 6) continue;
  table.classList.add("stacks");
  table.role = "table";
  for (const part of all("thead, tbody, tr, td, th", table)) part.role = ROLES[part.tagName] || (part.scope === "row" ? "rowheader" : "columnheader");
  for (const cell of all("tbody td", table)) {
    const head = heads[cell.cellIndex];
    if (head && !head.querySelector(".visually-hidden, input") && cell.textContent.trim()) cell.dataset.label = head.textContent.trim();
  }
}

// A form is sent once; after five seconds again, in case nothing came back.
for (const form of all('form[method="post"]')) {
  form.addEventListener("submit", (event) => {
    if (form.dataset.sent) event.preventDefault();
    form.dataset.sent = "yes";
    setTimeout(() => delete form.dataset.sent, 5000);
  });
}
addEventListener("pageshow", () => { for (const form of all("form[data-sent]")) delete form.dataset.sent; });

// A one-time link holds its code behind "#", which is sent to no server: it is posted, and leaves address and history.
const linkCode = document.querySelector("[data-from-fragment]");
if (linkCode) {
  const take = () => {
    const code = location.hash.slice(1);
    // A link within the page, such as one of the error summary, is no code.
    if (!code || document.getElementById(code)) return;
    history.replaceState(null, "", location.pathname);
    linkCode.value = code;
    linkCode.form.requestSubmit();
  };
  addEventListener("hashchange", take);
  take();
}
