// Shows what the console sends, and tells when it sends nothing any more.
(() => {
  const live = document.getElementById("live");
  const problem = document.getElementById("live-problem");
  const silentMs = 15000;
  let shown = Date.now();
  let isPressed = false;

  // Do not replace the element under a pressed pointer before its release.
  document.addEventListener("pointerdown", () => { isPressed = true; });
  for (const end of ["pointerup", "pointercancel"]) document.addEventListener(end, () => { isPressed = false; });

  const replace = (html) => {
    const focused = live.contains(document.activeElement) && document.activeElement.getAttribute("href");
    live.innerHTML = html;
    if (focused) live.querySelector(`a[href="${CSS.escape(focused)}"]`)?.focus({ preventScroll: true });
  };

  const source = new EventSource(live.dataset.stream);
  // A new text would take the selection away.
  const isSelected = () => !getSelection().isCollapsed && getSelection().containsNode(live, true);

  source.addEventListener("message", (event) => {
    shown = Date.now();
    problem.hidden = !isSelected();
    if (isSelected()) problem.textContent = "These figures stand still while text in them is selected.";
    else if (!isPressed && !document.hidden) replace(event.data);
  });
  source.addEventListener("error", () => {
    // The browser gives up after a refusal: the session has ended, or too many pages are open.
    if (source.readyState === EventSource.CLOSED) setTimeout(() => location.reload(), 5000);
  });
  setInterval(() => {
    if (document.hidden || Date.now() - shown < silentMs) return;
    problem.textContent = `These figures are from ${new Date(shown).toLocaleTimeString()}: the console does not answer.`;
    problem.hidden = false;
  }, 1000);
})();
