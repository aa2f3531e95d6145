// Looks whether this telephone would look different now, and shows the newest text.
"use strict";

const frame = document.querySelector("[data-newest]");
const texts = document.querySelector(".telephone-texts");
if (texts) texts.scrollTop = texts.scrollHeight;

// A voice that has said all it has to say ends the call.
for (const voice of document.querySelectorAll("[data-then]")) {
  voice.addEventListener("ended", () => document.getElementById(voice.dataset.then).click());
}

// A key that was pressed must not be overtaken by a look.
let isLeaving = false;
addEventListener("beforeunload", () => { isLeaving = true; });

setInterval(async () => {
  if (document.hidden || isLeaving) return;
  try {
    const answer = await fetch(frame.dataset.newest, { headers: { accept: "application/json" } });
    if (answer.ok && (await answer.json()).stamp !== frame.dataset.stamp && !isLeaving) location.reload();
  } catch {
    // The demo may be starting again; the next look will tell.
  }
}, 1000);
