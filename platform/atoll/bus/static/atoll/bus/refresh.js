// Refreshes the overview while the page is visible.
(() => {
  const figures = document.getElementById("figures");
  const problem = document.getElementById("refresh-problem");
  const everyMs = Number(figures.dataset.every) * 1000;
  const patienceMs = 10000;
  let shown = new Date();
  let isPressing = false;

  // Do not replace the element under a pressed pointer before its release.
  document.addEventListener("pointerdown", () => { isPressing = true; });
  document.addEventListener("pointerup", () => { isPressing = false; });
  document.addEventListener("pointercancel", () => { isPressing = false; });

  const replace = (text) => {
    const focused = figures.contains(document.activeElement) && document.activeElement.getAttribute("href");
    figures.innerHTML = text;
    if (focused) figures.querySelector(`a[href="${CSS.escape(focused)}"]`)?.focus({ preventScroll: true });
  };

  const refresh = async () => {
    const answer = await fetch(figures.dataset.refresh, {
      credentials: "same-origin",
      signal: AbortSignal.timeout(patienceMs),
    });
    if (answer.redirected) {
      // The session has ended: reloading leads to the sign-in.
      location.reload();
      return;
    }
    if (!answer.ok) throw new Error(`${answer.status}`);
    const text = await answer.text();
    if (isPressing) return;
    replace(text);
    shown = new Date();
    problem.hidden = true;
  };

  const step = async () => {
    if (!document.hidden) {
      try {
        await refresh();
      } catch (error) {
        problem.textContent = `These figures are of ${shown.toLocaleTimeString()}: the service does not answer.`;
        problem.hidden = false;
      }
    }
    setTimeout(step, everyMs);
  };

  setTimeout(step, everyMs);
})();
