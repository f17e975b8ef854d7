// Comfort for those who have scripts: the pages say the same without.
"use strict";

const LOOK = 1000, LOOK_AGAIN = 3000, REST = 10000;

function addCopyButtons(root) {
  if (!navigator.clipboard) return;
  for (const code of root.querySelectorAll("[data-copy]")) {
    const button = document.createElement("button");
    button.type = "button";
    button.className = "copy";
    button.textContent = "copy";
    button.setAttribute("aria-label", `copy ${code.textContent}`);
    button.addEventListener("click", async () => {
      await navigator.clipboard.writeText(code.textContent);
      button.textContent = "copied";
      setTimeout(() => { button.textContent = "copy"; }, 1500);
    });
    code.after(button);
  }
}

async function renew() {
  const old = document.querySelector("[data-live]");
  let pause = REST;
  try {
    if (!document.hidden) {
      const answer = await fetch(location.href, { headers: { Accept: "text/html" } });
      const fresh = new DOMParser().parseFromString(await answer.text(), "text/html").querySelector("[data-live]");
      if (answer.ok && fresh && !old.contains(document.activeElement)) old.replaceWith(fresh);
    }
    if (document.querySelector("[data-live] .running")) pause = LOOK_AGAIN;
  } catch { /* the server may be back at the next look */ }
  setTimeout(renew, pause);
}

function follow(log) {
  let size = Number(log.dataset.size);
  const steady = Number(log.dataset.steady);
  const toEnd = () => { log.scrollTop = log.scrollHeight; };

  async function look() {
    let state = "running";
    try {
      const part = size < steady;
      const answer = await fetch(log.dataset.log, part ? { headers: { Range: `bytes=${size}-` }, cache: "no-store" } : {});
      state = answer.headers.get("X-Build-State") ?? state;
      if (answer.ok) {
        const isAtEnd = log.scrollHeight - log.scrollTop - log.clientHeight < 40;
        const data = await answer.arrayBuffer();
        const text = new TextDecoder().decode(data);
        if (answer.status === 206) log.append(text); else log.textContent = text;
        size = answer.status === 206 ? size + data.byteLength : data.byteLength;
        if (isAtEnd) toEnd();
      } else if (answer.status !== 416) {
        state = "running";
      }
    } catch { /* likewise */ }
    if (state === "running") setTimeout(look, LOOK); else location.reload();
  }

  toEnd();
  if (log.dataset.state === "running") setTimeout(look, LOOK);
}

// The picture of layers, to walk in.
function showPicture(host) {
  const root = JSON.parse(host.dataset.picture);
  root.name = document.querySelector("h1").textContent;
  host.replaceChildren();
  const isKept = (layer) => (document.querySelector(`#layer-${layer + 1} .swatch.kept`) ? "kept" : "");
  new Picture(host, root, isKept, () => []);
}

addCopyButtons(document);
document.querySelectorAll("[data-picture]").forEach(showPicture);
if (document.querySelector("[data-live]")) setTimeout(renew, LOOK_AGAIN);
document.querySelectorAll("[data-log]").forEach(follow);
