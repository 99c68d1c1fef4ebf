// Adds new lines to the page at their place in time, while the page is looked at.
(() => {
  const live = document.getElementById("live");
  const problem = document.getElementById("live-problem");
  const button = document.getElementById("live-switch");
  const mostLines = 1000;
  const silentMs = 15000;
  const lines = () => document.getElementById("lines");
  const toEnd = () => { const list = lines(); if (list) list.scrollTop = list.scrollHeight; };
  const isAtEnd = () => { const list = lines(); return !list || list.scrollHeight - list.scrollTop - list.clientHeight < 40; };
  if (!live.dataset.stream) return;
  let source = null;
  let isPaused = false;
  let heard = Date.now();

  const insert = (list, line) => {
    let before = list.lastElementChild;
    while (before && line.dataset.place && before.dataset.place > line.dataset.place) before = before.previousElementSibling;
    if (before) before.after(line);
    else list.prepend(line);
  };

  const add = (html) => {
    const list = lines();
    const follows = isAtEnd() && !String(getSelection());
    const parsed = document.createElement("template");
    parsed.innerHTML = html;
    list.querySelector(".none")?.remove();
    for (const line of [...parsed.content.children]) insert(list, line);
    const tooMany = list.children.length - mostLines;
    if (follows && tooMany > 0) {
      for (let number = 0; number < tooMany; number += 1) list.firstElementChild.remove();
      const oldest = list.querySelector("[data-time]");
      const older = document.getElementById("older");
      if (older && oldest) {
        const address = new URL(older.href);
        address.searchParams.set("before", `${oldest.dataset.time}~0`);
        older.href = address.search;
      }
    }
    if (follows) toEnd();
  };

  const stop = () => {
    source?.close();
    source = null;
  };

  const start = () => {
    if (source || isPaused || document.hidden) return;
    heard = Date.now();
    source = new EventSource(live.dataset.stream);
    source.addEventListener("list", (event) => {
      heard = Date.now();
      live.innerHTML = event.data;
      toEnd();
    });
    source.addEventListener("lines", (event) => { heard = Date.now(); add(event.data); });
    source.addEventListener("alive", () => { heard = Date.now(); });
    source.addEventListener("error", () => {
      // The browser gives up after a refusal: the session has ended, or too many pages are open.
      if (source?.readyState === EventSource.CLOSED) setTimeout(() => location.reload(), 5000);
    });
  };

  button.hidden = false;
  button.addEventListener("click", () => {
    isPaused = !isPaused;
    button.textContent = isPaused ? "Continue" : "Pause";
    if (isPaused) stop();
    else start();
  });
  // A page that nobody looks at costs nothing. Its return shows the newest lines.
  document.addEventListener("visibilitychange", () => { if (document.hidden) stop(); else start(); });
  setInterval(() => {
    const isSilent = source !== null && Date.now() - heard > silentMs;
    problem.hidden = !isSilent;
    if (isSilent) problem.textContent = `No line since ${new Date(heard).toLocaleTimeString()}: the console does not answer.`;
  }, 1000);
  toEnd();
  start();
})();
