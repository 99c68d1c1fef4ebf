"""Opens every kind of page under an address, and looks at each in four windows.

Links lead to the pages. Of many rows one is opened: addresses are of one kind if they differ in ids alone.
"""

import re
from dataclasses import dataclass, field
from urllib.parse import parse_qs, urlsplit

from axe_playwright_python.base import AXE_SCRIPT
from playwright.sync_api import Error, Page, Response

WIDE, NARROW = {"width": 1440, "height": 900}, {"width": 390, "height": 844}
# Rules of contrast depend on the colours, all others on the layout; two windows for each are enough.
EVERY_RULE, CONTRAST = "every rule", "contrast"
WINDOWS = (
    ("light, 1440 px", "light", WIDE, EVERY_RULE),
    ("dark, 1440 px", "dark", WIDE, CONTRAST),
    ("dark, 390 px", "dark", NARROW, EVERY_RULE),
    ("light, 390 px", "light", NARROW, CONTRAST),
)
RULES = {
    EVERY_RULE: {
        "type": "tag",
        "values": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"],
    },
    CONTRAST: {"type": "rule", "values": ["color-contrast"]},
}
RUN_AXE = """rules => axe.run(document, {runOnly: rules, resultTypes: ["violations"], preload: false})
  .then(found => found.violations.map(one => ({
    rule: one.id, help: one.help, count: one.nodes.length,
    first: one.nodes[0].html.slice(0, 240),
    why: one.nodes[0].failureSummary.split("\\n").slice(1, 2).join(" ").trim().slice(0, 240),
  })))"""
OVERFLOW = "() => document.documentElement.scrollWidth - document.documentElement.clientWidth"
LINKS = """() => [...document.querySelectorAll("a[href]")]
  .map(link => new URL(link.getAttribute("href"), document.baseURI).href)"""
# Unfold changes its colours by transitions; axe would measure the colours on their way.
# A page's policy allows no style element, but such a sheet.
STILL = """() => {
  const sheet = new CSSStyleSheet();
  sheet.replaceSync("*, *::before, *::after { transition: none !important; animation: none !important; }");
  document.adoptedStyleSheets = [sheet];
}"""
# Rows of a list are alike; so many of them are enough for the rules.
ROWS = 6
FEW_ROWS = """rows => {
  for (const table of document.querySelectorAll("table")) {
    const all = table.id === "result_list" ? table.tBodies : table.tBodies[0]?.rows ?? [];
    [...all].slice(rows).forEach(row => row.remove());
  }
  for (const list of document.querySelectorAll("main ol")) {
    [...list.children].slice(rows).forEach(row => row.remove());
  }
}"""
# Actions of a list that ask first.
ACTIONS = """() => document.querySelector("#changelist-form input.action-select") === null ? [] :
  [...document.querySelectorAll("#changelist-form select[name=action] option")]
    .filter(option => option.label.trim().endsWith("…")).map(option => option.value)"""
START_ACTION = """action => {
  const form = document.getElementById("changelist-form");
  form.querySelector("input.action-select").checked = true;
  form.querySelector("select[name=action]").value = action;
  form.requestSubmit(form.querySelector("button[name=index]"));
}"""
IS_AN_ID = re.compile(r"\d|^[A-Za-z-]+-service$|^registry$|^api-gateway$")


@dataclass
class Walk:
    """``opened`` are the addresses, and ``faults`` the sentences about them.

    ``with_queries`` are paths at which other names of parameters make a page of another kind.
    ``forms`` are pages to which forms lead.
    """

    page: Page
    start: str
    limit: int
    with_queries: tuple[str, ...] = ()
    forms: tuple[str, ...] = ()
    opened: list[str] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)

    def run(self) -> None:
        """Open everything that links lead to, breadth first, until ``limit`` pages are open."""
        self.page.on("pageerror", lambda error: self._fault("error of a script", str(error)))
        self.page.on(
            "console", lambda said: self._fault("console", said.text) if said.type == "error" else None
        )
        waiting = [self.start, *self.forms]
        known = {self.kind(address) for address in waiting}
        while waiting and len(self.opened) < self.limit:
            address = waiting.pop(0)
            if not self.open(address):
                continue
            actions = self.page.evaluate(ACTIONS)
            for link in self.page.evaluate(LINKS):
                link = link.split("#")[0]
                if link.startswith(self.start) and (kind := self.kind(link)) not in known:
                    known.add(kind)
                    waiting.append(link)
            self.check()
            for action in actions:
                self.ask(address, action)
        if waiting:
            self.faults.append(f"{len(waiting)} more pages than {self.limit} wait, for example {waiting[0]}")

    def kind(self, address: str) -> str:
        """The path with a star for each id."""
        given = urlsplit(address)
        parts = given.path.removeprefix(urlsplit(self.start).path).split("/")
        path = "/".join("*" if IS_AN_ID.search(part) and place else part for place, part in enumerate(parts))
        return f"{path}?{sorted(parse_qs(given.query))}" if path in self.with_queries else path

    def open(self, address: str) -> bool:
        """Open the page. A link to a file is no page."""
        try:
            answer = self.page.goto(address)
        except Error as error:
            if "Download is starting" in error.message:
                return False
            raise
        self._note(answer, "")
        return True

    def ask(self, address: str, action: str) -> None:
        """Begin an action with the first row, and look at its question. Nobody answers it."""
        self.page.goto(address)
        with self.page.expect_navigation() as answer:
            self.page.evaluate(START_ACTION, action)
        self._note(answer.value, f" {action}")
        self.check()

    def _note(self, answer: Response | None, what: str) -> None:
        self.opened.append(f"{self.page.url}{what}")
        if answer is None or answer.status != 200:
            self._fault("status", str(answer and answer.status))

    def check(self) -> None:
        """Look at the page that is open in all windows."""
        self.page.evaluate(STILL)
        self.page.evaluate(AXE_SCRIPT)
        for name, scheme, size, rules in WINDOWS:
            self.page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
            self.page.set_viewport_size(size)  # type: ignore[arg-type]
            if (beyond := self.page.evaluate(OVERFLOW)) > 0:
                self._fault(name, f"{beyond} px wider than the window")
            self.page.evaluate(FEW_ROWS, ROWS)
            for found in self.page.evaluate(RUN_AXE, RULES[rules]):
                self._fault(name, f"{found['rule']} ({found['count']}): {found['first']} {found['why']}")

    def _fault(self, where: str, text: str) -> None:
        self.faults.append(f"{self.page.url} {where}: {text}")
