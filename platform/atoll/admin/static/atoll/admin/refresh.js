// Refreshes the figures of a page while it is visible. The element #counts names the address of its content
// (data-refresh), the seconds between two requests (data-every) and the words for a failure (data-away).
(() => {
  const counts = document.getElementById("counts");
  const problem = document.getElementById("refresh-problem");
  const everyMs = Number(counts.dataset.every) * 1000;
  const timeoutMs = 10000;
  let shown = new Date();
  let isPressed = false;

  // Do not replace the element under a pressed pointer before its release.
  document.addEventListener("pointerdown", () => { isPressed = true; });
  document.addEventListener("pointerup", () => { isPressed = false; });
  document.addEventListener("pointercancel", () => { isPressed = false; });

  const replace = (text) => {
    const focused = counts.contains(document.activeElement) && document.activeElement.getAttribute("href");
    counts.innerHTML = text;
    if (focused) counts.querySelector(`a[href="${CSS.escape(focused)}"]`)?.focus({ preventScroll: true });
  };

  const refresh = async () => {
    const answer = await fetch(counts.dataset.refresh, {
      credentials: "same-origin",
      signal: AbortSignal.timeout(timeoutMs),
    });
    if (answer.redirected) {
      // The session has ended: reloading leads to the sign-in.
      location.reload();
      return;
    }
    if (!answer.ok) throw new Error(`${answer.status}`);
    const text = await answer.text();
    if (isPressed) return;
    replace(text);
    shown = new Date();
    problem.hidden = true;
  };

  const step = async () => {
    if (!document.hidden) {
      try {
        await refresh();
      } catch (error) {
        problem.textContent = `These figures are from ${shown.toLocaleTimeString()}: ${counts.dataset.away}.`;
        problem.hidden = false;
      }
    }
    setTimeout(step, everyMs);
  };

  setTimeout(step, everyMs);
})();
